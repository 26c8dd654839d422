package trace

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// The offsets in struct seccomp_data. The machines of this package are little-endian.
const (
	atNumber = 0
	atArch   = 4
	atArgs   = 16
)

// filter returns the program that tells of the calls of abis, and lets all others pass.
func filter() []unix.SockFilter {
	var all []unix.SockFilter
	for _, a := range abis {
		body := a.filter()
		all = append(all,
			load(atArch),
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: a.arch},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(body))})
		all = append(all, body...)
	}
	return append(all, answer(unix.SECCOMP_RET_ALLOW))
}

func (a *abi) filter() []unix.SockFilter {
	body := []unix.SockFilter{load(atNumber)}
	if otherNumbers != 0 {
		mask := uint32(otherNumbers)
		body = append(body, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: ^mask})
	}
	for _, nr := range slices.Sorted(maps.Keys(a.calls)) {
		act := a.calls[nr].filter()
		body = append(body, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(len(act)), K: nr})
		body = append(body, act...)
	}
	return append(body, answer(unix.SECCOMP_RET_ALLOW))
}

// filter returns the instructions for a call. Opens of directories are frequent, and of no interest.
func (c call) filter() []unix.SockFilter {
	if c.kind != opens {
		return []unix.SockFilter{answer(unix.SECCOMP_RET_USER_NOTIF)}
	}
	jumpIf := func(bits uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: yes, Jf: no, K: bits}
	}
	return []unix.SockFilter{
		load(atArgs + 8*uint32(c.flags)),
		jumpIf(tmpfile, 2, 0),
		jumpIf(noContent, 0, 1),
		answer(unix.SECCOMP_RET_ALLOW),
		answer(unix.SECCOMP_RET_USER_NOTIF),
	}
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func answer(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}
