// Package software finds out which packages the environments of a run have, which modules were
// loaded, and which containers it ran in or starts. It starts no program, and reads nothing but
// folders and small regular files. docs/format.md has the result, data.software and the part "env".
//
// Only names, versions and builds of packages are taken: the files beside them hold URLs, which may
// hold tokens.
package software

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"qme/record"
)

// A Query is what environments are looked for by.
type Query struct {
	Dir      string    // of the run
	Env      []string  // NAME=value
	Programs []Program // of the run, the most important first
}

// A Program is an executable file by its absolute paths, with and without symbolic links.
type Program struct{ Path, Real string }

func (q *Query) env(name string) string { return Variable(q.Env, name) }

// Variable returns the value of a variable in a list of NAME=value, "" if it is not set.
func Variable(env []string, name string) string {
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

// An Environment is a folder with packages, which Read lists.
type Environment struct {
	record.Environment
	list *listing
	scan func(*listing) error
}

// Find returns the environments of a run: those in which its programs lie, and the active ones.
// None of them has been read.
func Find(q Query) []*Environment {
	f := &finder{q: &q, known: map[[2]uint64]bool{}}
	for _, p := range q.Programs {
		f.ofProgram(p)
	}
	for _, name := range []string{"CONDA_PREFIX", "VIRTUAL_ENV"} {
		if prefix := q.env(name); filepath.IsAbs(prefix) {
			f.at(prefix, name)
		}
	}
	return f.list
}

// A finder collects environments, each once.
type finder struct {
	q     *Query
	list  []*Environment
	known map[[2]uint64]bool // by device and inode
}

// at adds the environment in a folder, and returns its kind; "" if there is none.
func (f *finder) at(prefix, by string) string {
	switch {
	case isDir(filepath.Join(prefix, "conda-meta")):
		f.add(record.EnvConda, prefix, by, func(l *listing) error { return l.conda(prefix) })
		return record.EnvConda
	case isFile(filepath.Join(prefix, "pyvenv.cfg")):
		f.add(record.EnvVenv, prefix, by, func(l *listing) error { return l.venv(prefix) })
		return record.EnvVenv
	}
	return ""
}

func (f *finder) add(kind, path, by string, scan func(*listing) error) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || len(f.list) == record.MostEnvironments {
		return
	}
	id := [2]uint64{uint64(st.Dev), st.Ino}
	if f.known[id] {
		return
	}
	f.known[id] = true
	f.list = append(f.list, &Environment{Environment: record.Environment{Kind: kind, Path: filepath.Clean(path), By: by}, scan: scan})
}

// byProgram says that an environment is that of a program.
const byProgram = "program"

// ofProgram adds the environment in which a program lies, by its path or by that to which it links.
func (f *finder) ofProgram(p Program) {
	kind := f.inPlaceOf(p.Path)
	if kind == "" && p.Real != p.Path {
		kind = f.inPlaceOf(p.Real)
	}
	switch name := filepath.Base(p.Path); {
	case name == "R" || name == "Rscript":
		f.r(p.Real)
	case strings.HasPrefix(name, "python"):
		f.python(p.Real, kind)
	}
}

// inPlaceOf adds the environment in whose folder bin a program lies, and returns its kind; "" if
// there is none.
func (f *finder) inPlaceOf(path string) string {
	dir := filepath.Dir(path)
	if filepath.Base(dir) != "bin" {
		return ""
	}
	return f.at(filepath.Dir(dir), byProgram)
}

// python adds what an installation of Python has in folders of its own, and the user's packages.
// kind is that of the environment in which it lies; "" for none.
func (f *finder) python(real, kind string) {
	version := pythonVersion(strings.TrimPrefix(filepath.Base(real), "python"))
	if version == "" || kind == record.EnvVenv {
		return
	}
	prefix := filepath.Dir(filepath.Dir(real))
	if kind == "" {
		f.add(record.EnvPython, prefix, byProgram, func(l *listing) error {
			l.python = version
			return l.sites(systemSites(prefix, version), nil)
		})
	}
	base := f.q.env("PYTHONUSERBASE")
	if base == "" && f.q.env("HOME") != "" {
		base = filepath.Join(f.q.env("HOME"), ".local")
	}
	if site := sitePackages(base, "python", version); filepath.IsAbs(base) && f.q.env("PYTHONNOUSERSITE") == "" && isDir(site) {
		f.add(record.EnvUser, site, byProgram, func(l *listing) error {
			l.python = version
			return l.sites([]string{site}, nil)
		})
	}
}

// Read lists the packages of the environment, from a cache if nothing of it has changed. stop ends it
// early; it may be nil. If the packages cannot be listed, NotRecorded
// has the reason.
func (e *Environment) Read(cache Cache, stop func() bool) {
	file := cache.file(e)
	if e.list = cached(file, e); e.list == nil {
		l := &listing{stop: stop}
		if err := e.scan(l); err != nil {
			e.NotRecorded = reason(err)
			return
		}
		l.finish()
		cache.store(file, e, l)
		e.list = l
	}
	e.Python, e.Packages, e.LeftOut = e.list.python, e.list.count+len(e.list.editable), e.list.leftOut
	e.NotRecorded = ""
}

// reason returns an error without the paths and texts in it.
func reason(err error) string {
	switch {
	case errors.Is(err, errLate):
		return Late
	case errors.Is(err, fs.ErrPermission):
		return "its folders must not be read"
	case errors.Is(err, fs.ErrNotExist):
		return "its folders are not there"
	}
	return "its folders cannot be read"
}

// Late says that there was not enough time for the packages of an environment.
const Late = "there was no time to read its packages"

var errLate = errors.New("no time")

// ModulesVariable has the names of the loaded environment modules, with colons between them.
const ModulesVariable = "LOADEDMODULES"

// modulesOdd says why no modules are recorded.
const modulesOdd = "modules: " + ModulesVariable + " has text that is no name of a module"

// Modules returns the names in the value of LOADEDMODULES. If one of them cannot be a name, there
// are none, because the text may be anything, and why says so.
func Modules(value string) (list []string, why string) {
	for name := range strings.SplitSeq(value, ":") {
		switch {
		case name == "":
		case !word(name, 200, "._+~/-") || strings.Contains(name, "//") || strings.ContainsAny(name[:1], "./-~+"):
			return nil, modulesOdd
		case len(list) == record.MostModules:
			return list, "modules: there are more"
		default:
			list = append(list, name)
		}
	}
	return list, ""
}

// AreModules reports whether a value of LOADEDMODULES has nothing but names of modules.
func AreModules(value string) bool {
	_, why := Modules(value)
	return why != modulesOdd
}

// word reports whether a text has only ASCII letters, digits and the further characters, and is
// neither empty nor longer than most.
func word(s string, most int, further string) bool {
	return s != "" && len(s) <= most && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(further, c) < 0
	})
}
