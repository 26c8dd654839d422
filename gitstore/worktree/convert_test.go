package worktree

import (
	"os"
	"path/filepath"
	"testing"
)

// TestConversions shows that what git converts before it compares is not
// reported as a change, and that a conversion which has no part in it does no harm.
func TestConversions(t *testing.T) {
	crlf := func(w *world, content string) {
		w.write("text", content)
		w.age("text")
		w.git("add", "text")
		w.git("commit", "-qm", "text")
	}
	attributes := func(w *world, text string) {
		w.write(".gitattributes", text)
		w.git("add", ".gitattributes")
		w.git("commit", "-qm", "attributes")
	}
	for _, c := range []struct {
		name string
		do   func(w *world)
		tol  tolerance
		want string
	}{
		{"autocrlf, touched", func(w *world) {
			w.git("config", "core.autocrlf", "true")
			crlf(w, "a\r\nb\r\n")
			w.write("text", "a\r\nb\r\n")
		}, isNil, "clean"},
		{"autocrlf, untouched", func(w *world) {
			w.git("config", "core.autocrlf", "true")
			crlf(w, "a\r\nb\r\n")
		}, exact, "clean"},
		{"autocrlf, checked out", func(w *world) {
			crlf(w, "a\nb\n")
			w.git("config", "core.autocrlf", "true")
			w.remove("text")
			w.git("checkout", "text")
			w.age("text")
		}, isNil, "clean"},
		{"autocrlf, changed", func(w *world) {
			w.git("config", "core.autocrlf", "true")
			crlf(w, "a\r\nb\r\n")
			w.write("text", "c\r\nb\r\n")
		}, isNil, "dirty"},
		{"autocrlf, longer", func(w *world) {
			w.git("config", "core.autocrlf", "true")
			crlf(w, "a\r\nb\r\n")
			w.write("text", "a\r\nb\r\nc\r\n")
		}, exact, "dirty"},
		{"autocrlf, changed, no CR", func(w *world) {
			w.git("config", "core.autocrlf", "true")
			w.write("README", "ABOUT\n")
		}, exact, "dirty"},
		{"autocrlf of the user", func(w *world) {
			w.must(os.WriteFile(os.Getenv("HOME")+"/.gitconfig", []byte("[core]\n\tautocrlf = input\n"), 0o644))
			crlf(w, "a\r\nb\r\n")
			w.write("text", "a\r\nb\r\n")
		}, isNil, "clean"},
		{"autocrlf of a file that the user includes", func(w *world) {
			home := os.Getenv("HOME")
			w.must(os.WriteFile(home+"/.gitconfig", []byte("[includeIf \"gitdir:/\"]\n\tpath = more\n"), 0o644))
			w.must(os.WriteFile(home+"/more", []byte("[core]\n\tautocrlf = input\n"), 0o644))
			crlf(w, "a\r\nb\r\n")
			w.write("text", "a\r\nb\r\n")
		}, isNil, "clean"},
		{"autocrlf switched off again", func(w *world) {
			w.must(os.WriteFile(os.Getenv("HOME")+"/.gitconfig", []byte("[core]\n\tautocrlf = input\n"), 0o644))
			w.git("config", "core.autocrlf", "false")
			crlf(w, "a\r\nb\r\n")
			w.write("text", "a\r\nc\r\n")
		}, exact, "dirty"},
		{"CR LF without conversion", func(w *world) {
			crlf(w, "a\r\nb\r\n")
			w.write("text", "a\r\nb\r\n")
		}, exact, "clean"},
		{"text attribute, committed with CR LF", func(w *world) {
			crlf(w, "a\r\nb\r\n")
			attributes(w, "* text\n")
			w.write("text", "a\r\nb\r\n")
		}, isNil, "dirty"},
		{"text=auto, touched, no CR", func(w *world) {
			attributes(w, "* text=auto\n")
			w.write("README", files["README"])
		}, exact, "clean"},
		{"text=auto, changed, no CR", func(w *world) {
			attributes(w, "* text=auto\n")
			w.write("README", "ABOUT\n")
		}, exact, "dirty"},
		{"filter", func(w *world) {
			w.git("config", "filter.up.clean", "tr a-z A-Z")
			attributes(w, "*.c filter=up\n")
			w.write("src/main.c", files["src/main.c"])
		}, isNil, "dirty"},
		{"filter in a folder", func(w *world) {
			w.git("config", "filter.up.clean", "tr a-z A-Z")
			w.write("src/lib/.gitattributes", "a.c filter=up\n")
			w.write("src/lib/a.c", files["src/lib/a.c"])
		}, isNil, "dirty"},
		{"filter in .git", func(w *world) {
			w.git("config", "filter.up.clean", "tr a-z A-Z")
			w.write(".git/info/attributes", "# shout\n*.c filter=up\n")
			w.write("src/main.c", files["src/main.c"])
		}, isNil, "dirty"},
		{"filter of the user", func(w *world) {
			w.git("config", "filter.up.clean", "tr a-z A-Z")
			w.must(os.MkdirAll(filepath.Join(os.Getenv("HOME"), ".config/git"), 0o755))
			w.must(os.WriteFile(filepath.Join(os.Getenv("HOME"), ".config/git/attributes"), []byte("*.c filter=up\n"), 0o644))
			w.write("src/main.c", files["src/main.c"])
		}, isNil, "dirty"},
		{"filter of the user, in a file of its own", func(w *world) {
			w.git("config", "filter.up.clean", "tr a-z A-Z")
			w.git("config", "core.attributesFile", "~/shout")
			w.must(os.WriteFile(filepath.Join(os.Getenv("HOME"), "shout"), []byte("*.c filter=up\n"), 0o644))
			w.write("src/main.c", files["src/main.c"])
		}, isNil, "dirty"},
		{"filter for other files", func(w *world) {
			w.git("config", "filter.up.clean", "tr a-z A-Z")
			attributes(w, "*.c filter=up -text\n")
			w.write("README", "ABOUT\n")
		}, exact, "dirty"},
		{"ident", func(w *world) {
			attributes(w, "*.id ident\n")
			w.write("x.id", "$Id$\n")
			w.git("add", ".")
			w.git("commit", "-qm", "ident")
			w.remove("x.id")
			w.git("checkout", "x.id")
			w.write("x.id", w.read("x.id"))
		}, isNil, "clean"},
		{"attributes that git was told not to look at", func(w *world) {
			w.git("config", "filter.up.clean", "tr a-z A-Z")
			w.write("src/.gitattributes", "*.c filter=up\n")
			w.git("add", "src/.gitattributes")
			w.git("commit", "-qm", "attributes")
			w.git("update-index", "--skip-worktree", "src/.gitattributes")
			w.remove("src/.gitattributes")
			w.write("src/main.c", files["src/main.c"])
		}, isNil, "dirty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.populate()
			w.git("status") // the index is refreshed
			c.do(w)
			w.checkIs(c.want, c.tol)
		})
	}
}
