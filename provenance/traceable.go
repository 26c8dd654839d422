package provenance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"qme/internal/intime"
	"qme/provenance/trace"
)

// gainers are programs that start others which gain privileges.
var gainers = []string{"apptainer", "singularity", "podman", "buildah", "fusermount", "fusermount3", "at", "crontab", "ping"}

// Traceable returns why a command must not be traced, which wraps trace.ErrUnsupported: a program that
// its words name gains privileges, which the kernel does not allow under a trace by an ordinary user.
func Traceable(c Command) error {
	if trace.KeepsPrivileges() {
		return nil
	}
	return gainsNone(c)
}

// gainsNone is Traceable for a process without privileges.
func gainsNone(c Command) error {
	err, ok := intime.Within(beginning, func() error {
		programs := newPrograms(c)
		s := &Collection{command: c, first: programs.find(c.Argv[0])}
		for _, one := range s.calls(programs) {
			if one.words[0] == "" {
				continue
			}
			programs.add(programs.find(one.program()))
		}
		programs.add(s.first)
		for _, p := range programs.list {
			if gains(p) {
				return fmt.Errorf("%w: %s gains privileges, which a trace would prevent", trace.ErrUnsupported, filepath.Base(p.path))
			}
		}
		return nil
	})
	if !ok {
		return fmt.Errorf("%w: the programs of the command could not be looked at in time", trace.ErrUnsupported)
	}
	return err
}

// gains reports whether a program has privileges of its own, or is known for starting such ones.
func gains(p *program) bool {
	if slices.Contains(gainers, filepath.Base(p.path)) || slices.Contains(gainers, filepath.Base(p.real)) {
		return true
	}
	info, err := os.Stat(p.path)
	if err == nil && info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return true
	}
	n, err := unix.Getxattr(p.path, "security.capability", nil)
	return err == nil && n > 0
}
