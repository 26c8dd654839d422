package config

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/afero"
)

// leaves lists what a TOML file sets, as the decoder sees it: by path, with type
// and value. Tables count by what is in them, so empty ones do not. ok is false
// when the file is not TOML.
func leaves(text string) (all map[string]string, ok bool) {
	var decoded map[string]any
	if err := toml.Unmarshal([]byte(text), &decoded); err != nil {
		return nil, false
	}
	all = map[string]string{}
	addLeaves(all, "", decoded)
	return all, true
}

func addLeaves(all map[string]string, prefix string, table map[string]any) {
	for key, v := range table {
		path := fmt.Sprintf("%s.%q", prefix, key)
		if inner, isTable := v.(map[string]any); isTable {
			addLeaves(all, path, inner)
		} else {
			all[path] = fmt.Sprintf("%T %v", v, v)
		}
	}
}

// FuzzSet edits arbitrary files. Whatever is in one: after an error it is
// unchanged; else it is TOML, has the value, and every other key has the value
// that it had.
func FuzzSet(f *testing.F) {
	for i, file := range []string{
		"", "# c\n[run]\nkeep = 5 # k\n", "run = { keep = 5, git = '1s' }", "run.keep = 5\r\ncolor = 'auto'\r\n",
		"[executor]\n[executor.shell]\nshell='''\nx'''\n", "executor = { shell = { shell = 'a' } , }\n",
		"[[run]]\nkeep = 1\n[[run]]\n[run.x]\n", "run.env = ['a', # b\n\"\"\"c\"\"\"]\n[x]\n[run.y]", "x = nan\n'run.keep' = 1",
		"run = 5", "a.b = 1\na.\"c d\" = [{x = {}}]\n[a.e]\n", "[run]\n[cancel]", "run = {\n # a\n keep = 1 # b\n, # c\n}",
	} {
		f.Add(file, uint8(i), "5s", i%3 == 0)
		f.Add(file, uint8(1), "a,b", i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, file string, which uint8, text string, unset bool) {
		s := settings[int(which)%len(settings)]
		fsys := fileWith(t, file)
		var err error
		if unset {
			err = Unset(fsys, home, s.name)
		} else {
			err = Set(fsys, home, s.name, text)
		}
		wantOnlySettings(t, fsys)
		now := content(t, fsys)
		if err != nil {
			if now != file {
				t.Fatalf("%v, but %q has become %q", err, file, now)
			}
			return
		}
		checkEdit(t, s, file, now, text, unset)
	})
}

func checkEdit(t *testing.T, s setting, before, after, text string, unset bool) {
	t.Helper()
	was, ok := leaves(before)
	is, stillOK := leaves(after)
	if !ok || !stillOK {
		t.Fatalf("edited what is not TOML, or made it so: %q, %q", before, after)
	}
	path := ""
	for _, part := range strings.Split(s.name, ".") {
		path += fmt.Sprintf(".%q", part)
	}
	value, there := is[path]
	if there == unset {
		t.Fatalf("%s is there: %v, in %q", s.name, there, after)
	}
	delete(was, path)
	delete(is, path)
	if !maps.Equal(was, is) {
		t.Fatalf("edit of %s changed others: %q has become %q", s.name, before, after)
	}
	if unset {
		return
	}
	// Other mistakes in the file may keep Load from reading it, so the value is
	// compared with that in a file of its own, and that is read.
	alone := afero.NewMemMapFs()
	if err := Set(alone, home, s.name, text); err != nil {
		t.Fatal(err)
	}
	if want, _ := leaves(content(t, alone)); value != want[path] {
		t.Fatalf("%s is %s, not %s, in %q", s.name, value, want[path], after)
	}
	c, err := Load(alone, home, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.parse(text)
	if err != nil || c.found[s.name].value.text != v.text {
		t.Fatalf("%q was set and %q read, %v", text, c.found[s.name].value.text, err)
	}
}
