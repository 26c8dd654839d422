// Package seccomp has the kernel answer system calls in another way, as systems do that lack something. It is
// there on Linux.
package seccomp
