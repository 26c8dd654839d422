package worktree

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSettingIsWhatGitReads compares with git config, for one file after another
// that uses what the syntax offers.
func TestSettingIsWhatGitReads(t *testing.T) {
	const key = "core.attributesfile"
	for _, text := range []string{
		"[core]\n\tattributesFile = plain",
		"[core]\nattributesfile=a b  c   # comment\n",
		"[core] attributesfile = same line ; comment\n",
		"[CORE]\nATTRIBUTESFILE = \"quoted # \" and not\t\n",
		"[core]\nattributesfile = \"a \\\"b\\\" \\\\ c\"\n",
		"[core]\nattributesfile = one \\\n  two\n",
		"[core]\nattributesfile = first\n[other]\nx=y\n[core]\nattributesfile = last\r\n",
		"[core \"sub\"]\nattributesfile = of a subsection\n",
		"# [core]\n; attributesfile = x\n",
		"[core]\nattributesfile =\n",
		"[core]\nattributesfile = x\\ty\n",
		"[include]\npath = more\n",
		"[core]\nattributesfile = before\n[include]\npath = more\n",
		"[include]\npath = more\n[core]\nattributesfile = behind\n",
		"[include]\npath = ~/more\n",
		"[include]\npath = absent\n",
		"[includeIf \"gitdir:/nowhere/\"]\npath = more\n[core]\nattributesfile = behind\n",
		"",
	} {
		w := newWorld(t)
		w.git("init", "-q")
		home := os.Getenv("HOME")
		w.must(os.WriteFile(filepath.Join(home, "more"), []byte("[core]\nattributesfile = included\n"), 0o644))
		w.must(os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(text), 0o644))
		want, err := w.try("config", key)
		if err != nil && want != "" {
			t.Fatalf("git does not read %q: %s", text, want)
		}
		got, known := find(w.dir).setting(key)
		if got != want || !known {
			t.Errorf("of %q\nread %q (known: %v), git reads %q", text, got, known, want)
		}
	}
}

func TestSettingThatGitAloneKnows(t *testing.T) {
	const key = "core.autocrlf"
	for _, c := range []struct {
		name string
		set  func(t *testing.T, w *world, home string)
	}{
		{"condition", func(t *testing.T, w *world, home string) {
			w.must(os.WriteFile(home+"/.gitconfig", []byte("[includeIf \"onbranch:x\"]\npath = more\n"), 0o644))
		}},
		{"another's home", func(t *testing.T, w *world, home string) {
			w.must(os.WriteFile(home+"/.gitconfig", []byte("[include]\npath = ~root/more\n"), 0o644))
		}},
		{"endless", func(t *testing.T, w *world, home string) {
			w.must(os.WriteFile(home+"/.gitconfig", []byte("[include]\npath = .gitconfig\n"), 0o644))
		}},
		{"git -c", func(t *testing.T, w *world, home string) { t.Setenv("GIT_CONFIG_PARAMETERS", "'core.autocrlf'='true'") }},
		{"environment", func(t *testing.T, w *world, home string) {
			t.Setenv("GIT_CONFIG_COUNT", "1")
			t.Setenv("GIT_CONFIG_KEY_0", "core.autoCRLF")
			t.Setenv("GIT_CONFIG_VALUE_0", "true")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.git("init", "-q")
			home := os.Getenv("HOME")
			w.must(os.WriteFile(filepath.Join(home, "more"), []byte("[core]\nautocrlf = true\n"), 0o644))
			if _, known := find(w.dir).setting(key); !known {
				t.Error("unknown from the start")
			}
			c.set(t, w, home)
			if value, known := find(w.dir).setting(key); known {
				t.Errorf("the setting is taken to be %q", value)
			}
		})
	}
}
