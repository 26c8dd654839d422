package worktree

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"qme/gitstore/gitconfig"
)

// last returns the value that a file gives to key, and whether it gives one.
func last(f *gitconfig.File, key string) (string, answer) {
	if f.Unclear {
		return "", unknown
	}
	for i := len(f.Settings) - 1; i >= 0; i-- {
		if s := f.Settings[i]; s.Key == key {
			if s.Conditional { // the condition is not evaluated here
				return "", unknown
			}
			return s.Value, yes
		}
	}
	return "", no
}

// setting returns the value that git would use for key, "" when it is not set. It is not
// known when the configuration can only be read by git itself.
func (r *repo) setting(key string) (value string, known bool) {
	if environment(key) == unknown {
		return "", false
	}
	files := []*gitconfig.File{r.own}
	if on, _ := last(r.own, "extensions.worktreeconfig"); gitconfig.IsTrue(on) {
		files = []*gitconfig.File{gitconfig.Read(filepath.Join(r.gitDir, "config.worktree")), r.own}
	}
	for _, f := range append(files, r.shared()...) {
		if value, set := last(f, key); set != no {
			return value, set == yes
		}
	}
	return "", true
}

// shared returns the user's and the machine's configuration, the strongest first.
func (r *repo) shared() []*gitconfig.File {
	if r.others == nil {
		r.others = append([]*gitconfig.File{}, gitconfig.Shared()...)
	}
	return r.others
}

// environment is unknown when "git -c" or GIT_CONFIG_COUNT may set key, and else no.
func environment(key string) answer {
	n, err := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	for i := range n {
		if err == nil && strings.EqualFold(os.Getenv("GIT_CONFIG_KEY_"+strconv.Itoa(i)), key) {
			return unknown
		}
	}
	quoted := strings.ToLower(os.Getenv("GIT_CONFIG_PARAMETERS"))
	if strings.Contains(quoted, key) || strings.Contains(quoted, "include") {
		return unknown
	}
	return no
}
