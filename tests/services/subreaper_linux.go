package services

import "golang.org/x/sys/unix"

// becomeSubreaper makes this process the parent of descendants that lose theirs, as
// daemons do: so none of them gets away.
func becomeSubreaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }
