// Package gitconfig reads git's configuration (git-config(1)) without the program git.
package gitconfig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"qme/internal/regular"
)

// A Setting is one line of a configuration.
type Setting struct {
	Key         string // section and name in lower case: core.filemode, submodule.Lib.ignore
	Value       string
	Conditional bool // from a file that is included under a condition (includeIf)
}

// In returns the subsection, which may be "", of a setting called name in a section. ok is
// false when it is another setting.
func (s Setting) In(section, name string) (sub string, ok bool) {
	rest, ok := strings.CutPrefix(s.Key, section+".")
	if !ok || rest == name {
		return "", ok
	}
	return strings.CutSuffix(rest, "."+name)
}

// A File is a configuration file with all that it includes.
type File struct {
	Settings []Setting
	Unclear  bool // it could not be read, or not all that it includes

	files int // how many were read
}

const (
	// fileLimit bounds the size of a configuration file.
	fileLimit = 64 << 10
	// maxIncludes bounds how deep configuration files include each other.
	maxIncludes = 5
	// maxFiles bounds how many files are read for one configuration: a file may include itself
	// many times.
	maxFiles = 100
)

// Read reads the file name, which need not exist. Lines that are not of the syntax are left
// out: git itself refuses to work with such a file.
func Read(name string) *File {
	f := &File{}
	f.read(name, false, 0)
	return f
}

func (f *File) read(name string, conditional bool, depth int) {
	if f.files++; f.files > maxFiles {
		f.Unclear = true
		return
	}
	b, _, err := regular.ReadBounded(name, fileLimit, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return
	}
	if err != nil || depth > maxIncludes {
		f.Unclear = true
		return
	}
	settings, _ := Parse(string(b)) // git says so
	for _, s := range settings {
		s.Conditional = conditional
		f.Settings = append(f.Settings, s)
		if !strings.HasPrefix(s.Key, "include.") && !strings.HasPrefix(s.Key, "includeif.") || !strings.HasSuffix(s.Key, ".path") {
			continue
		}
		path, ok := Expand(s.Value, filepath.Dir(name))
		if !ok {
			f.Unclear = true
			continue
		}
		f.read(path, conditional || !strings.HasPrefix(s.Key, "include."), depth+1)
	}
}

// Last returns the last value of key for which no condition has to hold. ok is false when
// there is none.
func (f *File) Last(key string) (value string, ok bool) {
	for i := len(f.Settings) - 1; i >= 0; i-- {
		if s := f.Settings[i]; s.Key == key && !s.Conditional {
			return s.Value, true
		}
	}
	return "", false
}

// Expand makes a path of a configuration absolute; a relative one begins at dir. ok is false
// when only git knows the path.
func Expand(path, dir string) (abs string, ok bool) {
	switch {
	case strings.HasPrefix(path, "~/"):
		home := os.Getenv("HOME")
		return filepath.Join(home, path[2:]), home != ""
	case strings.HasPrefix(path, "~"), strings.HasPrefix(path, "%("):
		return "", false // another user's home, or git's own folder
	case filepath.IsAbs(path):
		return path, true
	}
	return filepath.Join(dir, path), dir != ""
}

// Shared returns the configuration of the user and of the machine, the strongest first.
func Shared() []*File {
	names := []string{filepath.Join(os.Getenv("HOME"), ".gitconfig"), filepath.Join(UserDir(), "config")}
	if name, set := os.LookupEnv("GIT_CONFIG_GLOBAL"); set {
		names = []string{name}
	}
	if name, set := os.LookupEnv("GIT_CONFIG_SYSTEM"); IsTrue(os.Getenv("GIT_CONFIG_NOSYSTEM")) {
		// Then there is none, whatever the other variable says.
	} else if set {
		names = append(names, name)
	} else {
		// Where it lies was decided when git was built; these are usual.
		names = append(names, "/etc/gitconfig", "/usr/local/etc/gitconfig", "/opt/homebrew/etc/gitconfig")
	}
	var files []*File
	for _, name := range names {
		if name != "" {
			files = append(files, Read(name))
		}
	}
	return files
}

// UserDir is git's folder for a user's configuration.
func UserDir() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "git")
	}
	return filepath.Join(os.Getenv("HOME"), ".config", "git")
}

// IsTrue reads git's way of writing a boolean.
func IsTrue(value string) bool {
	switch strings.ToLower(value) {
	case "true", "yes", "on":
		return true
	}
	n, err := strconv.Atoi(value)
	return err == nil && n != 0
}
