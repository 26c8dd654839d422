package software

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"qme/record"
)

// r adds the libraries of R: those that variables name, that of the project (renv), and those of the
// installation.
func (f *finder) r(real string) {
	home := filepath.Dir(filepath.Dir(real)) // of /usr/lib/R/bin/R
	if !strings.HasSuffix(home, "/lib/R") {
		home = filepath.Join(home, "lib", "R") // of PREFIX/bin/R
	}
	version := rVersion(filepath.Join(home, "library", "base"))
	short, _, _ := cutLast(version, ".")
	for _, name := range []string{"R_LIBS", "R_LIBS_USER", "R_LIBS_SITE"} {
		for path := range strings.SplitSeq(f.q.env(name), ":") {
			f.library(strings.NewReplacer("%v", short, "%V", version).Replace(path), name)
		}
	}
	f.libraries("renv", filepath.Join(f.q.Dir, "renv", "library", "R-*", "*"), filepath.Join(f.q.Dir, "renv", "library", "*", "R-*", "*"))
	if own := f.q.env("HOME"); own != "" && short != "" && f.q.env("R_LIBS_USER") == "" {
		f.libraries(byProgram, filepath.Join(own, "R", "*-library", short))
	}
	if home == "/usr/lib/R" { // as Debian has it
		f.libraries(byProgram, "/usr/local/lib/R/site-library", "/usr/lib/R/site-library")
	}
	f.libraries(byProgram, filepath.Join(home, "library"))
}

// libraries adds the libraries that patterns match.
func (f *finder) libraries(by string, patterns ...string) {
	for _, pattern := range patterns {
		list, err := filepath.Glob(pattern)
		for _, path := range list {
			if err == nil {
				f.library(path, by)
			}
		}
	}
}

func (f *finder) library(path, by string) {
	if filepath.IsAbs(path) && isDir(path) {
		f.add(record.EnvR, path, by, func(l *listing) error { return l.library(path) })
	}
}

// library lists the packages in a library of R.
func (l *listing) library(dir string) error {
	folders, err := l.names(dir)
	if err != nil {
		return err
	}
	for _, name := range folders {
		if err := l.late(); err != nil {
			return err
		}
		text, err := readFile(filepath.Join(dir, name, "DESCRIPTION"))
		if errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(name, "00LOCK") {
			continue
		}
		version := fieldOf(text, "Version")
		if err != nil || !word(name, 128, ".") || !word(version, 128, ".-") {
			l.leftOut++
			continue
		}
		l.add(Package{Name: name, Version: version})
	}
	return nil
}

// rVersion returns the version of R by that of its package base, "" if it is not known.
func rVersion(base string) string {
	text, err := readFile(filepath.Join(base, "DESCRIPTION"))
	version := fieldOf(text, "Version")
	if err != nil || !word(version, 20, ".") {
		return ""
	}
	return version
}

// fieldOf returns the value of a line NAME: VALUE, "" if there is none.
func fieldOf(text []byte, name string) string {
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
