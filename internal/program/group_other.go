//go:build !linux

package program

import "syscall"

func running(file string) string { return file }

func withParent(*syscall.SysProcAttr) {}
