//go:build !linux

package program

import "syscall"

func withParent(*syscall.SysProcAttr) {}
