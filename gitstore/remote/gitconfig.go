package remote

import (
	"bytes"
	"cmp"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"qme/gitstore/gitconfig"
	"qme/internal/regular"
)

// git runs the program git in our own repository, for things that only git knows:
// configuration and credentials. git itself does not ask the user; helpers may, where
// there is a terminal.
func (r *Remote) git(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	// git would wait at a FIFO, also when this process has gone.
	for _, name := range []string{"HEAD", "config", "config.worktree", "commondir"} {
		path := filepath.Join(r.opts.GitDir, name)
		if info, err := os.Stat(path); err == nil && r.opts.GitDir != "" && !info.Mode().IsRegular() {
			return "", "", &regular.Error{Path: path, Mode: info.Mode()}
		}
	}
	// The configuration of the command line and of the environment counts; the
	// repository of the working directory does not.
	env := append(environ([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"}),
		"GIT_DIR="+cmp.Or(r.opts.GitDir, os.DevNull), "GIT_TERMINAL_PROMPT=0", "LANGUAGE=C")
	p := r.command(env, "git", args...)
	var out bytes.Buffer
	said := &lineWriter{to: newMessages(nil)}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = strings.NewReader(stdin), &out, said
	err = p.run(ctx)
	return out.String(), said.text(), err
}

// settings are git's configuration, in the order in which git reads it.
type settings []gitconfig.Setting

// settings reads git's configuration.
func (r *Remote) settings(ctx context.Context) (settings, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return r.plainSettings(), nil
	}
	out, stderr, err := r.git(ctx, "", "config", "-z", "--list", "--includes")
	if err != nil {
		return nil, r.badConfig(stderr, err)
	}
	var list settings
	for field := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		key, value, ok := strings.Cut(field, "\n")
		if !ok {
			value = "true" // a key alone
		}
		list = append(list, gitconfig.Setting{Key: key, Value: value})
	}
	return list, nil
}

// plainSettings is settings without the program git. Files that are included under a
// condition are left out.
func (r *Remote) plainSettings() settings {
	files := gitconfig.Shared()
	slices.Reverse(files)
	if r.opts.GitDir != "" {
		files = append(files, gitconfig.Read(filepath.Join(r.opts.GitDir, "config")))
	}
	var list settings
	for _, f := range files {
		list = append(list, f.Settings...)
	}
	return slices.DeleteFunc(list, func(s gitconfig.Setting) bool { return s.Conditional })
}

// last returns the last value of a key, "" when there is none.
func (l settings) last(key string) string {
	for _, s := range slices.Backward(l) {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// http returns the value of http.NAME for a URL: of those that fit, the one for the most
// specific URL, and of several such the last. Where there is none it returns the fallback.
func (l settings) http(name string, to *url.URL, user, fallback string) string {
	value, best := fallback, []int(nil)
	for _, s := range l {
		pattern, ok := s.In("http", name)
		if !ok {
			continue
		}
		if rank, fits := urlRank(pattern, to, user); fits && slices.Compare(rank, best) >= 0 {
			value, best = s.Value, rank
		}
	}
	return value
}

// badConfig is the error when git cannot read its configuration.
func (r *Remote) badConfig(said string, err error) error {
	return r.fail(ErrURL, "git's configuration cannot be read: "+tidy(cmp.Or(said, err.Error())), "Correct the configuration.").because(err)
}

// truth reads a boolean as git does.
func truth(s string) bool {
	switch strings.ToLower(s) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}
