package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qme/tests/require"
)

// A forge makes objects as no honest program would, in a repository from which a home
// pulls.
type forge struct {
	*hub
	commit string // the newest honest one
	tree   string
	blob   string
}

func newForge(t *testing.T) (*forge, *home) {
	t.Helper()
	f := &forge{hub: newHub(t)}
	theirs, ours := newHome(t), newHome(t)
	theirs.must("-q", "run", "echo", "theirs")
	theirs.must("remote", f.dir)
	theirs.must("push")
	ours.must("-q", "run", "echo", "ours")
	ours.must("remote", f.dir)
	f.commit = f.git("rev-parse", "main")
	f.tree = f.git("rev-parse", "main^{tree}")
	f.blob = f.git("rev-parse", "main:format")
	return f, ours
}

// make stores an object as it is.
func (f *forge) make(kind, content string) string {
	f.t.Helper()
	cmd := exec.Command("git", "-C", f.dir, "hash-object", "-t", kind, "-w", "--stdin", "--literally")
	cmd.Stdin = strings.NewReader(content)
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("git hash-object: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// raw is the name of an object as trees have it.
func raw(t *testing.T, hash string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(hash); i += 2 {
		b.WriteByte(unhex(hash[i])<<4 | unhex(hash[i+1]))
	}
	return b.String()
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

const who = "a <a@b> 1700000000 +0000"

// commitOf is a commit with one line, "" for none, in place of another.
func (f *forge) commitOf(author, committer string) string {
	return "tree " + f.tree + "\nparent " + f.commit + "\n" + author + committer + "\nforged\n"
}

// inside puts a tree into an earlier commit, with the honest tree above it again.
func (f *forge) inside(entries string) string {
	f.t.Helper()
	// The entries of the honest tree come first: names in the tests sort behind them
	// or the tree is the only entry.
	tree := f.make("tree", entries)
	c := f.make("commit", "tree "+tree+"\nparent "+f.commit+"\nauthor "+who+"\ncommitter "+who+"\n\nforged\n")
	return f.make("commit", "tree "+f.tree+"\nparent "+c+"\nauthor "+who+"\ncommitter "+who+"\n\nnothing to see\n")
}

// TestHostileCommits has a remote offer commits that git fsck refuses. None gets in,
// and the home goes on as before.
func TestHostileCommits(t *testing.T) {
	t.Parallel()
	f, h := newForge(t)
	header := func(author, committer string) string { return f.commitOf(author, committer) }
	author := func(value string) string { return header("author "+value+"\n", "committer "+who+"\n") }
	committer := func(value string) string { return header("author "+who+"\n", "committer "+value+"\n") }
	for name, content := range map[string]string{
		"badDateOverflow":         committer("a <a@b> 99999999999999999999 +0000"),
		"badDateOverflow author":  author("a <a@b> 99999999999999999999 +0000"),
		"badDateOverflow by one":  committer("a <a@b> 9223372036854775808 +0000"),
		"badDate negative":        author("a <a@b> -5 +0000"),
		"badDate words":           author("a <a@b> nan +0000"),
		"badDate none":            author("a <a@b>  +0000"),
		"badDate fraction":        author("a <a@b> 1.5 +0000"),
		"badDate hexadecimal":     author("a <a@b> 0x12 +0000"),
		"badDate line end":        author("a <a@b> "),
		"zeroPaddedDate":          author("a <a@b> 0001 +0000"),
		"badTimezone":             author("a <a@b> 1 0000"),
		"badTimezone short":       author("a <a@b> 1 +000"),
		"badTimezone long":        author("a <a@b> 1 +00000"),
		"badTimezone none":        author("a <a@b> 1"),
		"missingSpaceBeforeDate":  author("a <a@b>1 +0000"),
		"missingSpaceBeforeEmail": author("a<a@b> 1 +0000"),
		"missingNameBeforeEmail":  author("<a@b> 1 +0000"),
		"missingEmail":            author("a"),
		"badEmail":                author("a <a<b> 1 +0000"),
		"badEmail open":           author("a <a@b 1 +0000"),
		"badName":                 author("a> <a@b> 1 +0000"),
		"missingAuthor":           header("", "committer "+who+"\n"),
		"missingCommitter":        header("author "+who+"\n", ""),
		"multipleAuthors":         header("author "+who+"\nauthor "+who+"\n", "committer "+who+"\n"),
		"missingTree":             "parent " + f.commit + "\nauthor " + who + "\ncommitter " + who + "\n\nforged\n",
		"badTree":                 "tree xyz\nparent " + f.commit + "\nauthor " + who + "\ncommitter " + who + "\n\nforged\n",
		"badParent":               "tree " + f.tree + "\nparent xyz\nauthor " + who + "\ncommitter " + who + "\n\nforged\n",
		"parent is a tree":        "tree " + f.tree + "\nparent " + f.tree + "\nparent " + f.commit + "\nauthor " + who + "\ncommitter " + who + "\n\nforged\n",
		"late parent":             "tree " + f.tree + "\nauthor " + who + "\nparent " + f.commit + "\ncommitter " + who + "\n\nforged\n",
		"unterminatedHeader":      "tree " + f.tree + "\nparent " + f.commit + "\nauthor " + who + "\ncommitter " + who,
		"nulInHeader":             committer("a\x00 <a@b> 1 +0000"),
		"nulInCommit":             author(who) + "a\x00b\n",
	} {
		f.refused(h, name, f.make("commit", content))
		// In the middle of a history it is the same.
		c := f.make("commit", content)
		f.refused(h, name+", earlier", f.make("commit", "tree "+f.tree+"\nparent "+c+"\nauthor "+who+"\ncommitter "+who+"\n\nbehind it\n"))
	}
	f.goesOn(h)
}

// offer moves the branch, to something that git would not move it to.
func (f *forge) offer(commit string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, "refs", "heads", "main"), []byte(commit+"\n"), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// refused has a home pull a commit in vain.
func (f *forge) refused(h *home, what, commit string) {
	f.t.Helper()
	f.offer(commit)
	_, out, code := h.run("pull", "--skip-invalid")
	if code == 8 && strings.Contains(out, "the other side has failed") {
		return // git itself does not hand it out
	}
	if code != 6 {
		f.t.Errorf("%s: qme pull ends with %d, not 6: %s", what, code, out)
	}
}

// goesOn has the home go on with an honest remote.
func (f *forge) goesOn(h *home) {
	f.t.Helper()
	f.offer(f.commit)
	h.must("sync")
	if out := h.fsck(); out != "" {
		f.t.Errorf("git fsck of the home: %s", out)
	}
	f.git("config", "receive.fsckObjects", "true")
	h.must("-q", "run", "true")
	h.must("push")
}

// TestHostileTrees has a remote offer, in an earlier commit that nobody looks at,
// trees that git fsck refuses or calls dangerous.
func TestHostileTrees(t *testing.T) {
	t.Parallel()
	f, h := newForge(t)
	file := func(name string) string { return "100644 " + name + "\x00" + raw(t, f.blob) }
	dir := func(name string) string { return "40000 " + name + "\x00" + raw(t, f.tree) }
	for _, name := range []string{
		".git", ".GIT", ".git ", ".git.", ".git. .", ".git::$DATA", ".git:x", "git~1", "GIT~1", "git~2", "git~1 ", "git~1:x", ".g\u200cit", ".\u200dgit", "\ufeff.git", ".gi\u202et", ".Gi\u206aT",
		".gitmodules", ".GitModules", ".gitmodules ", ".gitmodules.", ".gitmodules:$DATA", "gitmod~1", "GITMOD~4", "gi7eba~1", "gi7eb~10", "g~100000", "~1000000", ".gitm\u200codules",
		".", "..", "a/b", "a\\b", "a\\.git", "a\x07", "", "x\x1b[31m", strings.Repeat("x", 5000),
	} {
		f.refused(h, "a file called "+name, f.inside(file(name)))
		f.refused(h, "a folder called "+name, f.inside(dir(name)))
	}
	zero := strings.Repeat("\x00", 20)
	long := f.make("blob", strings.Repeat("x", 3000)+"\n")
	for name, entries := range map[string]string{
		"treeNotSorted":         file("b") + file("a"),
		"treeNotSorted folders": dir("a") + file("a-"),
		"duplicateEntries":      file("a") + file("a"),
		"duplicate, apart":      file("a") + file("a.b") + dir("a"),
		"zeroPaddedFilemode":    "0100644 a\x00" + raw(t, f.blob),
		"zero padded folder":    "040000 a\x00" + raw(t, f.tree),
		"badFilemode":           "100666 a\x00" + raw(t, f.blob),
		"link":                  "120000 a\x00" + raw(t, f.blob),
		"submodule":             "160000 a\x00" + raw(t, f.commit),
		"nullSha1":              "100644 a\x00" + zero,
		"nullSha1 folder":       "40000 a\x00" + zero,
		"missing object":        "100644 a\x00" + strings.Repeat("\x11", 20),
		"a folder that is none": "40000 a\x00" + raw(t, f.blob),
		"a file that is none":   "100644 a\x00" + raw(t, f.tree),
		"a commit as a file":    "100644 a\x00" + raw(t, f.commit),
		"cut off":               "100644 a\x00abc",
		"no mode":               "a\x00" + raw(t, f.blob),
		"long attributes":       "100644 .gitattributes\x00" + raw(t, long),
		"long attributes, HFS":  "100644 .gitattri\u200cbutes\x00" + raw(t, long),
		"long attributes, NTFS": "100644 gitatt~1\x00" + raw(t, long),
		"folder of attributes":  "40000 .gitattributes\x00" + raw(t, f.tree),
	} {
		f.refused(h, name, f.inside(entries))
	}
	f.goesOn(h)
}

// TestHonestTrees lets in what is odd, and what git fsck has nothing against.
func TestHonestTrees(t *testing.T) {
	t.Parallel()
	f, h := newForge(t)
	file := func(name string) string { return "100644 " + name + "\x00" + raw(t, f.blob) }
	next := f.commit
	commit := func(tree, author, more string) {
		next = f.make("commit", "tree "+tree+"\nparent "+next+"\nauthor "+author+"\ncommitter "+author+"\n"+more+"\nmessage\n")
	}
	for _, name := range []string{".gitattributes", ".gitignore", ".github", "git", "gitx~1", "README", "a b", "ä", "gi7", "x:y", "con"} {
		commit(f.make("tree", file(name)), who, "")
	}
	for _, author := range []string{"a <a@b> 0 +0000", "a <a@b> 9223372036854775807 +0000", "a  <> 1 -9999", " <a@b> 1 +0000", "Ü \"o'x\" <not an address> 1 +0545"} {
		commit(f.tree, author, "")
	}
	commit(f.tree, who, "encoding ISO-8859-1\n")
	commit(f.tree, who, "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ\n -----END PGP SIGNATURE-----\n")
	commit(f.tree, who, "mergetag object "+f.commit+"\n type commit\n tag x\n tagger "+who+"\n \n text\nx-other 1\n")
	f.git("update-ref", "refs/heads/main", next)
	if out := f.git("fsck", "--strict", "--no-dangling"); out != "" {
		t.Fatalf("git fsck has something against it: %s", out)
	}
	h.must("pull")
	h.must("check")
	f.git("config", "receive.fsckObjects", "true")
	h.must("push")
}

// TestOddIdentities has git's own checks look at what qme writes for people with odd
// names, and by clocks that are wrong.
func TestOddIdentities(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	for _, name := range []string{"<>", ">", "a\nb", "\n", " ", "", "a <x@y> 5 +0000", "\x01", "é\xff", "a\tb", "\"", strings.Repeat("n", 10000), ".", "tree x"} {
		h := newHome(t)
		// What git leaves of a name is not looked at: that there is a commit which it takes is.
		h.env = append(h.env, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME="+name, "GIT_AUTHOR_EMAIL="+name, "EMAIL="+name)
		h.must("-q", "run", "true")
		h.must("-q", "rerun")
		if out := h.fsck(); out != "" {
			t.Errorf("%q: git fsck: %s", name, out)
		}
		h.must("check")
	}
}
