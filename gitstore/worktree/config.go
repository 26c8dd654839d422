package worktree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxIncludes bounds how deep configuration files include each other.
const maxIncludes = 5

// A variable is one line of a configuration.
type variable struct {
	key   string // section and name in lower case: core.filemode, submodule.Lib.ignore
	value string
	maybe bool // it stands behind a condition that is not evaluated here
}

// A configFile is a git configuration file with all that it includes.
type configFile struct {
	vars    []variable
	unclear bool // it could not be read, or not all that it includes
}

// readConfig reads the file name, which need not exist.
func readConfig(name string) *configFile {
	f := &configFile{}
	f.read(name, false, 0)
	return f
}

func (f *configFile) read(name string, maybe bool, depth int) {
	b, err := readMeta(name)
	if errors.Is(err, fs.ErrNotExist) || errNotDir(err) {
		return
	}
	if err != nil || depth > maxIncludes {
		f.unclear = true
		return
	}
	for _, v := range parseConfig(string(b)) {
		v.maybe = maybe
		f.vars = append(f.vars, v)
		if !strings.HasPrefix(v.key, "include.") && !strings.HasPrefix(v.key, "includeif.") || !strings.HasSuffix(v.key, ".path") {
			continue
		}
		path, ok := expand(v.value, filepath.Dir(name))
		if !ok {
			f.unclear = true
			continue
		}
		f.read(path, maybe || !strings.HasPrefix(v.key, "include."), depth+1)
	}
}

// expand makes a path of a configuration absolute; a relative one begins at dir.
func expand(path, dir string) (string, bool) {
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

// last returns the value that the file gives to key, and whether it gives one.
func (f *configFile) last(key string) (string, answer) {
	for i := len(f.vars) - 1; i >= 0; i-- {
		if v := f.vars[i]; v.key == key {
			if v.maybe || f.unclear {
				return "", unknown
			}
			return v.value, yes
		}
	}
	if f.unclear {
		return "", unknown
	}
	return "", no
}

// setting returns what git would use for key, "" when it is not set. It is not
// known when the configuration can only be read by git itself.
func (r *repo) setting(key string) (value string, known bool) {
	if value, set := environment(key); set != no {
		return value, set == yes
	}
	if on, _ := r.own.last("extensions.worktreeconfig"); isTrue(on) {
		f := readConfig(filepath.Join(r.gitDir, "config.worktree"))
		if value, set := f.last(key); set != no {
			return value, set == yes
		}
	}
	if value, set := r.own.last(key); set != no {
		return value, set == yes
	}
	for _, f := range r.shared() {
		if value, set := f.last(key); set != no {
			return value, set == yes
		}
	}
	return "", true
}

// shared returns the user's and the machine's configuration, the strongest first.
func (r *repo) shared() []*configFile {
	if r.others != nil {
		return r.others
	}
	names := []string{filepath.Join(os.Getenv("HOME"), ".gitconfig"), filepath.Join(userConfigDir(), "config")}
	if name, set := os.LookupEnv("GIT_CONFIG_GLOBAL"); set {
		names = []string{name}
	}
	if name, set := os.LookupEnv("GIT_CONFIG_SYSTEM"); isTrue(os.Getenv("GIT_CONFIG_NOSYSTEM")) {
		// Then there is none, whatever the other variable says.
	} else if set {
		names = append(names, name)
	} else {
		// Where it lies was decided when git was built; these are usual.
		names = append(names, "/etc/gitconfig", "/usr/local/etc/gitconfig", "/opt/homebrew/etc/gitconfig")
	}
	r.others = []*configFile{}
	for _, name := range names {
		if name != "" {
			r.others = append(r.others, readConfig(name))
		}
	}
	return r.others
}

// userConfigDir is git's folder for a user's configuration.
func userConfigDir() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "git")
	}
	return filepath.Join(os.Getenv("HOME"), ".config", "git")
}

// environment looks for key in what "git -c" and GIT_CONFIG_COUNT leave behind.
func environment(key string) (string, answer) {
	n, err := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	for i := range n {
		if err == nil && strings.EqualFold(os.Getenv("GIT_CONFIG_KEY_"+strconv.Itoa(i)), key) {
			return "", unknown
		}
	}
	quoted := strings.ToLower(os.Getenv("GIT_CONFIG_PARAMETERS"))
	if strings.Contains(quoted, key) || strings.Contains(quoted, "include") {
		return "", unknown
	}
	return "", no
}

// isTrue reads git's way of writing a boolean.
func isTrue(value string) bool {
	switch strings.ToLower(value) {
	case "true", "yes", "on":
		return true
	}
	n, err := strconv.Atoi(value)
	return err == nil && n != 0
}
