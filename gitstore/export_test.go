package gitstore

// BootID is bootID for the tests of this package.
var BootID = bootID
