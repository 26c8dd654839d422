package program

import "syscall"

// withParent ends a program with its parent: a signal of the terminal does not reach its
// group.
func withParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
