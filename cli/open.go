package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openHome describes, in one line for each folder of a home, the access that other users
// have. Records may be confidential, and a user with write access to a home decides which
// programs its owner runs. A folder with the setgid bit is shared with its group on
// purpose. Folders that are missing or cannot be examined are skipped.
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
				// Reading below the home needs search permission for it: 0011 permits
				// access, 0044 shows names.
				said = append(said, openTo(path, info, reach|reach<<1|reach<<2)...)
			}
		}
	}
	return said
}

// others returns those of bits that are set in the mode of a folder, except the bits of a
// group with which the folder is shared on purpose.
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

// warnIfOpen warns if other users have access to the home.
func (s *settings) warnIfOpen() {
	home, err := s.homeDir()
	if err != nil {
		return // reported by the command if it needs the home
	}
	for _, line := range openHome(home) {
		s.term.warn("%s", line)
	}
}
