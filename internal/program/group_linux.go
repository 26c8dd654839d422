package program

import "syscall"

// withParent kills a program when its parent ends, since terminal signals do not reach
// its group.
func withParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
