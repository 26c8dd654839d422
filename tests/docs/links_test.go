package docs

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestBrokenLinks(t *testing.T) {
	root := t.TempDir()
	files := map[string]string{
		"README.md":      "# Read me\n",
		"docs/a b.png":   "",
		"docs/target.md": "# The `--home` flag, and more\n## Same\n## Same\n<a id=\"own\"></a>\n```\n# Not a heading\n```\n",
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, text string
		broken     []string // parts of the errors, in order
	}{
		{"file", "[x](target.md) and [y](../README.md)", nil},
		{"folder", "[x](../docs)", nil},
		{"with a title", `[x](target.md "title")`, nil},
		{"image", "![x](a%20b.png)", nil},
		{"angle brackets", "[x](<target.md>)", nil},
		{"elsewhere", "[x](https://example.org/none) <mailto:x@example.org> [y](//example.org/z)", nil},
		{"heading with code", "[x](target.md#the---home-flag-and-more)", nil},
		{"no such heading", "[x](target.md#the-home-flag)", []string{"no such heading"}},
		{"headings of one name", "[x](target.md#same) [y](target.md#same-1) [z](target.md#own)", nil},
		{"third of two headings", "[x](target.md#same-2)", []string{"link \"target.md#same-2\": docs/target.md has no such heading"}},
		{"heading in code", "[x](target.md#not-a-heading)", []string{"no such heading"}},
		{"own heading", "# Top\n[x](#top) [y](#bottom)", []string{`page.md:2: link "#bottom"`}},
		{"missing", "\n[x](none.md)", []string{`docs/page.md:2: link "none.md"`}},
		{"missing twice in a line", "[x](none.md) ![y](none.png)", []string{"none.md", "none.png"}},
		{"definition", "[x][1]\n\n[1]: none.md", []string{"page.md:3"}},
		{"HTML", `<img src="none.png"> <a href="target.md">`, []string{"none.png"}},
		{"out of the project", "[x](../../etc/passwd) [y](/etc/passwd)", []string{"out of the project", "out of the project"}},
		{"in code", "`[x](none.md)`\n```\n[x](none.md)\n```", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(root, "docs/page.md"), []byte(tt.text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := brokenLinks(root, "docs/page.md"); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tt.broken) {
				t.Fatalf("%d errors, want %d: %q", len(got), len(tt.broken), got)
			}
			for i, want := range tt.broken {
				if !strings.Contains(got[i], want) {
					t.Errorf("error %q does not hold %q", got[i], want)
				}
			}
		})
	}
}

func TestAnchors(t *testing.T) {
	lines, err := readLines("p.md", page("# The `--home` flag, and more", "## What's new? ##", "## A [link](x.md)", "## What's new?", "## snake_case-1"))
	if err != nil {
		t.Fatal(err)
	}
	got := anchors(lines)
	want := []string{"the---home-flag-and-more", "whats-new", "a-link", "whats-new-1", "snake_case-1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("anchors = %q, want %q", got, want)
	}
}
