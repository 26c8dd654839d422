package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openHome says who beside its owner can read or change a home, one line for each folder
// that lets them. Records may be nobody else's business, and whoever can write to a home
// decides what its user runs. A folder whose setgid bit is set is shared with its group on
// purpose. What cannot be looked at, or is not there, is left out.
func openHome(home string) []string {
	info, err := os.Stat(home)
	if err != nil {
		return nil
	}
	said := openTo(home, info, 0o022)
	if reach := others(info, 0o011); reach != 0 {
		for _, name := range []string{"tasks.git", "running", "jobs", "index"} {
			path := filepath.Join(home, name)
			if info, err := os.Stat(path); err == nil {
				// Who cannot pass the home reads nothing in it: 0011 lets in, 0044 shows names.
				said = append(said, openTo(path, info, reach|reach<<1|reach<<2)...)
			}
		}
	}
	return said
}

// others returns which of the bits are set in a folder's mode, without those of a group that
// it is shared with on purpose.
func others(info fs.FileInfo, bits fs.FileMode) fs.FileMode {
	set := info.Mode().Perm() & bits
	if info.Mode()&fs.ModeSetgid != 0 {
		set &= 0o007
	}
	return set
}

func openTo(path string, info fs.FileInfo, bits fs.FileMode) []string {
	set := others(info, bits)
	if set == 0 {
		return nil
	}
	who, can := "others", "read"
	if set&0o007 == 0 {
		who = "its group"
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			who = fmt.Sprintf("its group (%d)", st.Gid)
		}
	}
	if set&0o022 != 0 {
		can = "change"
	}
	return []string{fmt.Sprintf("%s has mode %04o: %s can %s what is in it (chmod go-rwx %s closes it)", path, info.Mode().Perm(), who, can, path)}
}

// warnIfOpen says so.
func (s *settings) warnIfOpen() {
	home, err := s.homeDir()
	if err != nil {
		return // whoever needs it says so
	}
	for _, line := range openHome(home) {
		s.term.warn("%s", line)
	}
}
