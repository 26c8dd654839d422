package capture

import "golang.org/x/sys/unix"

func setNonblock(fd int) error { return unix.SetNonblock(fd, true) }
