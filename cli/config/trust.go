package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/afero"
)

// Untrusted returns the reason why programs named in a file of a home must not be run:
// the file, or a folder between the home and the file, is owned by a user other than root
// and the current one, or is writable by others. It returns "" if the programs may be run
// or the file does not exist.
func Untrusted(fsys afero.Fs, home, path string) string {
	if _, err := fsys.Stat(path); err != nil {
		return ""
	}
	rel, err := filepath.Rel(home, path)
	if err != nil {
		return fmt.Sprintf("%s is not in %s", path, home)
	}
	reach := fs.FileMode(0o011) // the users with search permission for the folders so far
	at := home
	for i, part := range append([]string{""}, strings.Split(rel, string(filepath.Separator))...) {
		at = filepath.Join(at, part)
		info, err := fsys.Stat(at)
		if err != nil {
			return fmt.Sprintf("who owns %s cannot be told (%v)", at, err)
		}
		if why := foreign(at, info); why != "" {
			return why
		}
		open := info.Mode().Perm() & 0o022
		if i > 0 {
			open &= reach << 1
		}
		if info.Mode()&fs.ModeSetgid != 0 { // shared with its group on purpose
			open &= 0o002
		}
		if open != 0 {
			return fmt.Sprintf("others can change %s (mode %04o; chmod go-w closes it)", at, info.Mode().Perm())
		}
		reach &= info.Mode().Perm()
	}
	return ""
}

// foreign returns the reason if a file belongs to another user, else "".
func foreign(path string, info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || int(st.Uid) == os.Geteuid() {
		return ""
	}
	return fmt.Sprintf("%s belongs to user %d", path, st.Uid)
}

// distrust drops the programs of the file if they must not be run.
func (c *Config) distrust(fsys afero.Fs, home string) {
	why := Untrusted(fsys, home, File(home))
	if why == "" {
		return
	}
	var names []string
	for _, s := range settings {
		f := c.found[s.name]
		if !s.program || f.source != FromFile {
			continue
		}
		v, err := s.parse(s.def)
		if err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", s.name, err)) // cannot happen, as in Read
		}
		c.found[s.name] = found{setting: s, value: v, source: FromDefault}
		names = append(names, s.name)
	}
	for _, sec := range c.sections {
		names = append(names, "executor."+sec.Name)
	}
	c.sections = nil
	if len(names) > 0 {
		c.refused = fmt.Sprintf("%s: the programs in %s are not run (%s)", why, File(home), strings.Join(names, ", "))
	}
}

// Refused describes the programs of the file that are not run, and the reason; "" if
// there are none.
func (c *Config) Refused() string { return c.refused }
