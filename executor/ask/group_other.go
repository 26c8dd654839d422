//go:build !linux

package ask

import "syscall"

func withParent(*syscall.SysProcAttr) {}
