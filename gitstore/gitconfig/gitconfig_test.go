package gitconfig_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/gitstore/gitconfig"
)

func TestParse(t *testing.T) {
	settings, err := gitconfig.Parse("[Core]\n\tBare\n filemode ; a = b\n[url \"https://X.y/\"]\n\tinsteadOf = a: \\\n b # c\n")
	want := []gitconfig.Setting{{Key: "core.bare", Value: "true"}, {Key: "core.filemode", Value: "true"}, {Key: "url.https://X.y/.insteadof", Value: "a:  b"}}
	if err != nil || !slices.Equal(settings, want) {
		t.Errorf("%v %v, want %v", settings, err, want)
	}
	for _, text := range []string{"a = b\n[core]\nx = y\n", "[core\n[core]\nx = y\n", "[core]\nx y\nx = y\n", "[core]\n= z\nx = y\n", "[core]\na = \"z\nx = y\n", "[core]\na = \\q\nx = y\n"} {
		settings, err := gitconfig.Parse(text)
		if want := []gitconfig.Setting{{Key: "core.x", Value: "y"}}; err == nil || !slices.Equal(settings, want) {
			t.Errorf("%q: %v %v, want %v and an error", text, settings, err, want)
		}
	}
}

// A file that includes itself many times is given up, and not read for ever.
func TestIncludesItself(t *testing.T) {
	name := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(name, []byte(strings.Repeat("[include]\n\tpath = config\n", 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := gitconfig.Read(name); !f.Unclear || len(f.Settings) > 10_000 {
		t.Errorf("%v, %d settings", f.Unclear, len(f.Settings))
	}
}

func TestIn(t *testing.T) {
	for _, c := range []struct {
		key, section, name, sub string
		ok                      bool
	}{
		{"core.bare", "core", "bare", "", true},
		{"url.https://a.b/.insteadof", "url", "insteadof", "https://a.b/", true},
		{"url.https://a.b/.pushinsteadof", "url", "insteadof", "", false},
		{"core.bare", "core", "are", "", false},
		{"core.bare", "cor", "bare", "", false},
	} {
		if sub, ok := (gitconfig.Setting{Key: c.key}).In(c.section, c.name); ok != c.ok || ok && sub != c.sub {
			t.Errorf("%v: %q %v", c, sub, ok)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("[core]\n\tbare = \"x\\\"\" ; c\n[a \"B\"] c\n")
	f.Fuzz(func(t *testing.T, text string) {
		settings, _ := gitconfig.Parse(text)
		for _, v := range settings {
			if v.Key == "" {
				t.Errorf("a variable without a key in %q", text)
			}
		}
	})
}

func TestQuote(t *testing.T) {
	for _, value := range []string{"", "https://a.b/c", "../x y", " x", "x ", "\t", `a"b`, `C:\x`, "a;b", "a#b", "a\nb\tc\bd", `"`, `\`} {
		settings, err := gitconfig.Parse("[a]\nb = " + gitconfig.Quote(value) + "\n")
		if want := []gitconfig.Setting{{Key: "a.b", Value: value}}; err != nil || !slices.Equal(settings, want) {
			t.Errorf("%q: %v %v", value, settings, err)
		}
	}
}
