package gitstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/tests/require"
)

// TestIdentity compares who commits with what git says of itself in the same
// surroundings.
func TestIdentity(t *testing.T) {
	require.Component(t, "git")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const global = "[user]\n\tname = Global Name # a comment\n\temail = global@example.org\n[core]\n\tabbrev = 12\n"
	const other = "[user]\n\tname = Other Name\n\temail = other@example.org\n"
	for _, c := range []struct {
		name                string
		env                 map[string]string
		global, xdg, config string
		want                string // "" means: what git says
	}{
		{name: "variables", env: map[string]string{"GIT_AUTHOR_NAME": "Env Name", "GIT_AUTHOR_EMAIL": "env@example.org"}, global: global},
		{name: "one variable", env: map[string]string{"GIT_AUTHOR_NAME": "Env Name"}, global: global},
		{name: "of the user", global: global},
		{name: "of the user, XDG", xdg: global},
		{name: "both of the user's", global: global, xdg: "[user]\n\tname = Xdg\n\temail = xdg@example.org\n"},
		{name: "of the repository", global: global, config: "[user]\n\temail = repo@example.org\n"},
		{name: "quoted, with brackets", global: "[user]\n\tname = \"Ünï <Code>\"\n\temail = <a@b>\n"},
		{name: "none", want: "someone <someone@" + host + ">"},
		{name: "name only", global: "[user]\n\tname = Name Only\n", want: "Name Only <someone@" + host + ">"},
		{name: "included", global: "[user]\n\tname = Before\n[include]\n\tpath = xdg/git/config\n", xdg: global},
		{name: "included, and said again", global: "[include]\n\tpath = ~/xdg/git/config\n[user]\n\tname = Behind\n", xdg: global},
		{name: "included elsewhere", global: global + "[includeIf \"gitdir:/nowhere/\"]\n\tpath = xdg/git/config\n", xdg: other},
		{name: "another file", env: map[string]string{"GIT_CONFIG_GLOBAL": "$HOME/another"}, global: global, xdg: global},
		{name: "no file", env: map[string]string{"GIT_CONFIG_GLOBAL": ""}, global: global, xdg: global, want: "someone <someone@" + host + ">"},
		{name: "another file of the system", env: map[string]string{"GIT_CONFIG_SYSTEM": "$HOME/another", "GIT_CONFIG_NOSYSTEM": "0"}},
		{name: "no file of the system", env: map[string]string{"GIT_CONFIG_SYSTEM": "$HOME/another"}, want: "someone <someone@" + host + ">"},
		{name: "broken", global: "[user\nname", want: "someone <someone@" + host + ">"},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			for name, value := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, "xdg"), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": "",
				"USER": "someone", "LOGNAME": "someone", "GIT_AUTHOR_NAME": "", "GIT_AUTHOR_EMAIL": "", "EMAIL": "", "GIT_CONFIG_GLOBAL": ""} {
				t.Setenv(name, value)
				if value == "" {
					_ = os.Unsetenv(name) // Setenv has seen to putting it back
				}
			}
			for name, value := range c.env {
				t.Setenv(name, os.ExpandEnv(value))
			}
			writeFile(t, filepath.Join(home, "another"), []byte(other))
			writeFile(t, filepath.Join(home, ".gitconfig"), []byte(c.global))
			writeFile(t, filepath.Join(home, "xdg", "git", "config"), []byte(c.xdg))
			dir := filepath.Join(home, "tasks.git")
			made := openStore(t, afero.NewOsFs(), filepath.Join(home, "other.git"), nil)
			copyTree(t, made.Dir(), dir)
			f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(c.config); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) { o.Identity = gitstore.Identity{} })
			change := run(task(idAt("shell", epoch, 1)), nil)
			commit(t, s, change)
			got := git(t, dir, "log", "-1", "--format=%an <%ae>")
			want := c.want
			if want == "" {
				want = ident(raw(t, dir, "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"))
			}
			if got != want {
				t.Errorf("author %q, want %q", got, want)
			}
			fsck(t, dir)
		})
	}
}

// TestOddIdentity commits under names that git would mistake for something else.
func TestOddIdentity(t *testing.T) {
	t.Parallel()
	for _, id := range []gitstore.Identity{{Name: "<>", Email: "<>"}, {Name: "a\nb", Email: "a\nb@c"}, {Name: " x\x00y ", Email: "<x@y>"}} {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) { o.Identity = id })
		rec := task(idAt("shell", epoch, 1))
		commit(t, s, run(rec, nil))
		wantRecord(t, s, "", rec)
		fsck(t, dir)
	}
}
