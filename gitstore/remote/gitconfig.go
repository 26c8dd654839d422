package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/config"

	"qme/internal/regular"
)

// git runs the program git on our own repository's behalf, for what it alone knows:
// configuration and credentials.
// git itself does not ask the user; helpers may, where there is one to ask.
func (r *Remote) git(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	// git would wait at a FIFO, also when this process has gone.
	for _, name := range []string{"HEAD", "config", "config.worktree", "commondir"} {
		path := filepath.Join(r.opts.GitDir, name)
		if info, err := os.Stat(path); err == nil && r.opts.GitDir != "" && !info.Mode().IsRegular() {
			return "", "", &regular.Error{Path: path, Mode: info.Mode()}
		}
	}
	// The configuration of the command line and of the environment counts; the
	// repository that somebody is in does not.
	env := append(r.environ([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"}),
		"GIT_DIR="+cmp.Or(r.opts.GitDir, os.DevNull), "GIT_TERMINAL_PROMPT=0", "LANGUAGE=C")
	p := r.command(env, "git", args...)
	var out bytes.Buffer
	said := &lineWriter{to: newMessages(nil, false)}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = strings.NewReader(stdin), &out, said
	err = p.run(ctx)
	return out.String(), said.text(), err
}

// settings returns values of git's configuration by key, in lower case: those of the
// given keys and, when url is not "", all of the section http for that URL. A later
// value of a key, and one for a more special URL, counts.
func (r *Remote) settings(ctx context.Context, url string, keys ...string) (map[string]string, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return r.plainSettings(url), nil
	}
	args := []string{"config", "-z", "--get-regexp", "^(" + strings.ReplaceAll(strings.Join(keys, "|"), ".", `\.`) + ")$"}
	if url != "" {
		args = []string{"config", "-z", "--get-urlmatch", "http", url}
	}
	out, stderr, err := r.git(ctx, "", args...)
	var status *exec.ExitError
	switch {
	case errors.As(err, &status) && status.ExitCode() == 1 && stderr == "":
		return nil, nil // nothing is set
	case err != nil:
		return nil, r.badConfig(stderr, err)
	}
	set := map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		key, value, ok := strings.Cut(entry, "\n")
		if !ok {
			value = "true" // a key alone
		}
		set[strings.ToLower(key)] = value
	}
	return set, nil
}

// badConfig is the error when git cannot read its configuration.
func (r *Remote) badConfig(said string, err error) error {
	return r.fail(ErrURL, "git's configuration cannot be read: "+tidy(cmp.Or(said, err.Error())), "Correct the configuration.").because(err)
}

// plainSettings is settings without the program git: conditions and included files
// are not looked at.
func (r *Remote) plainSettings(url string) map[string]string {
	set := map[string]string{}
	for _, name := range r.configFiles() {
		for _, s := range readConfig(name) {
			take(set, s.Name, s.Options)
			for _, sub := range s.Subsections {
				if prefix := strings.TrimSuffix(sub.Name, "/"); url == prefix || strings.HasPrefix(url, prefix+"/") {
					take(set, s.Name, sub.Options)
				}
			}
		}
	}
	return set
}

// configFiles are the files of git's configuration, in the order in which git reads them.
func (r *Remote) configFiles() []string {
	home := r.getenv("HOME")
	xdg := cmp.Or(r.getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config"))
	files := []string{"/etc/gitconfig", filepath.Join(xdg, "git", "config"), filepath.Join(home, ".gitconfig")}
	if global := r.getenv("GIT_CONFIG_GLOBAL"); global != "" {
		files = []string{"/etc/gitconfig", global}
	}
	if r.opts.GitDir != "" {
		files = append(files, filepath.Join(r.opts.GitDir, "config"))
	}
	return files
}

func take(set map[string]string, section string, options config.Options) {
	for _, o := range options {
		set[strings.ToLower(section+"."+o.Key)] = o.Value
	}
}

// readConfig returns the sections of a configuration file; none where the file is
// missing or cannot be understood: git itself would tell.
func readConfig(name string) config.Sections {
	f, err := regular.OpenHere(name, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	cfg := config.New()
	if err := config.NewDecoder(f).Decode(cfg); err != nil {
		return nil
	}
	return cfg.Sections
}

// truth reads a boolean as git does.
func truth(s string) bool {
	switch strings.ToLower(s) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}
