package gitstore_test

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore"
	"qme/tests/require"
)

// forgeries is how many objects TestNothingThatGitRefuses makes of each kind.
const forgeries = 1500

// TestNothingThatGitRefuses changes commits and trees at random, and compares what is
// let in with what git fsck says of them: it has nothing against any of it, and what
// it takes of commits is let in.
func TestNothingThatGitRefuses(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	require.Component(t, "git")
	seed := number(t, "QME_TEST_SEED", time.Now().UnixNano())
	t.Logf("QME_TEST_SEED=%d", seed)
	f := &forger{T: t, rnd: rand.New(rand.NewPCG(uint64(seed), 1)), dir: filepath.Join(t.TempDir(), "r.git")}
	git(t, filepath.Dir(f.dir), "init", "--quiet", "--bare", f.dir)
	f.blob = plumbing.NewHash(git(t, f.dir, "hash-object", "-w", "--stdin", "-t", "blob"))
	f.tree = plumbing.NewHash(git(t, f.dir, "hash-object", "-w", "--stdin", "-t", "tree"))
	f.compare("commit", f.commit, true)
	f.compare("tree", f.treeOf, false)
}

// A forger makes objects in a repository of its own.
type forger struct {
	*testing.T
	rnd        *rand.Rand
	dir        string
	blob, tree plumbing.Hash
}

func (f *forger) pick(of ...string) string { return of[f.rnd.IntN(len(of))] }

// compare makes objects and asks git and the store about each.
func (f *forger) compare(kind string, build func() []byte, both bool) {
	f.Helper()
	objects := map[string][]byte{}
	var paths []string
	dir := f.TempDir()
	for len(objects) < forgeries {
		b := build()
		h := plumbing.ComputeHash(map[string]plumbing.ObjectType{"commit": plumbing.CommitObject, "tree": plumbing.TreeObject}[kind], b)
		if objects[h.String()] != nil || len(b) == 0 {
			continue
		}
		objects[h.String()] = b
		path := filepath.Join(dir, h.String())
		if err := os.WriteFile(path, b, 0o600); err != nil {
			f.Fatal(err)
		}
		paths = append(paths, path)
	}
	if out, err := tryGit(f.dir, strings.Join(paths, "\n")+"\n", "hash-object", "-t", kind, "-w", "--literally", "--stdin-paths"); err != nil {
		f.Fatalf("git hash-object: %v\n%s", err, out)
	}
	out, _ := tryGit(f.dir, "", "fsck", "--strict", "--no-dangling")
	rejected := map[string]string{}
	for line := range strings.SplitSeq(out, "\n") {
		if m := refusal.FindStringSubmatch(line); m != nil {
			rejected[cmp.Or(m[1], m[2])] = line
		}
	}
	in := 0
	for h, b := range objects {
		err := gitstore.Fsck(kind, b)
		if err == nil {
			in++
		}
		switch git := rejected[h]; {
		case err == nil && git != "":
			f.Errorf("%s is let in: %q", git, b)
		case err != nil && git == "" && both && !stricter(b):
			f.Errorf("%v, and git has nothing against it: %q", err, b)
		}
	}
	f.Logf("%d of %d of kind %s are let in, git refuses %d", in, len(objects), kind, len(rejected))
	if in < forgeries/50 || len(rejected) < forgeries/50 {
		f.Error("that shows little")
	}
}

// refusal is how git fsck says what is wrong with an object.
var refusal = regexp.MustCompile(`^(?:error|warning)(?: in \w+|: object| in) ([0-9a-f]{40})(?::|$)|^error: ([0-9a-f]{40}):`)

// oldDates are dates as strtol(3) takes them.
var oldDates = regexp.MustCompile(`>[ \t]+[ \t+][0-9]|>[ \t]\+`)

// stricter are commits that git reads otherwise than they look.
func stricter(b []byte) bool {
	head, _, _ := bytes.Cut(b, []byte("\n\n"))
	for _, key := range []string{"tree ", "parent ", "author ", "committer "} {
		if bytes.Count(append([]byte("\n"), head...), []byte("\n"+key)) > 1 && key != "parent " {
			return true
		}
	}
	if oldDates.Match(head) {
		return true // later versions of git refuse them, too
	}
	return bytes.Contains(head, []byte("\nparent")) || bytes.Contains(head, []byte("\ntree"))
}

func (f *forger) commit() []byte {
	ident := func() string {
		return f.pick("a", "a", "A B", "", " ", "<", ">", "\x00", "é", "a\n") + f.pick(" ", " ", " ", "", "  ") + f.pick("<a@b>", "<a@b>", "<>", "<a", "a>", "<a<b>", "<a>b>", "< >") +
			f.pick(" ", " ", " ", "", "  ", "\t") + f.pick("0", "1", "1700000000", "1700000000", "9223372036854775807", "9223372036854775808", "18446744073709551616", "-1", "+1", "01", "00", "", "x", "1x") +
			f.pick(" ", " ", " ", "", "  ") + f.pick("+0000", "-9999", "+0000", "+000", "0000", "+00000", "+00x0", "", "+0000 ", "-0000\x00")
	}
	good := "a <a@b> 1 +0000"
	if f.rnd.IntN(2) == 0 {
		good = ident()
	}
	lines := []string{"tree " + f.tree.String(), "author " + good, "committer a <a@b> 1 +0000"}
	for f.rnd.IntN(3) == 0 {
		more := f.pick("encoding x", "gpgsig a\n b", "author "+ident(), "committer "+ident(), "parent "+f.tree.String()[:39], "tree "+f.tree.String(), "x", " x", "mergetag y", "\x00")
		lines = append(lines[:len(lines):len(lines)], more)
		if f.rnd.IntN(3) == 0 {
			i, j := f.rnd.IntN(len(lines)), f.rnd.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
		}
	}
	b := []byte(strings.Join(lines, "\n") + f.pick("\n\nmessage\n", "\n\nmessage", "\n", "", "\n\n", "\n\na\x00b\n", "\n\na\n\nb"))
	if f.rnd.IntN(4) == 0 {
		b[f.rnd.IntN(len(b))] = byte(f.pick(" ", "\n", "0", "a", "\x00", "<", ">", "-")[0])
	}
	return b
}

func (f *forger) treeOf() []byte {
	var b []byte
	for range 1 + f.rnd.IntN(3) {
		mode, h := f.pick("100644", "100644", "100644", "40000", "40000", "040000", "100755", "120000", "160000", "100664", "0", "x"), f.blob
		if strings.HasSuffix(mode, "40000") {
			h = f.tree
		}
		if f.rnd.IntN(20) == 0 {
			h = plumbing.ZeroHash
		}
		b = append(b, mode+" "+f.name()+"\x00"...)
		b = append(b, h[:]...)
	}
	if f.rnd.IntN(20) == 0 {
		b = b[:f.rnd.IntN(len(b))]
	}
	return b
}

// name makes a name, mostly one that looks like one of git's own.
func (f *forger) name() string {
	name := f.pick("a", "b", "c.d", ".git", "git~1", ".gitmodules", "gitmod~1", "gi7eba~1", "g~12345", ".gitattributes", ".", "..", "", "tasks", ".gitignore")
	for f.rnd.IntN(3) == 0 {
		at := f.rnd.IntN(len(name) + 1)
		name = name[:at] + f.pick(" ", ".", ":", "\u200c", "\u206f", "\ufeff", "/", "\\", "x", "~", "1", "\xff", "::$DATA") + name[at:]
	}
	if f.rnd.IntN(4) == 0 {
		name = strings.ToUpper(name)
	}
	return name
}
