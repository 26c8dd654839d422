package provenance_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/provenance"
	"qme/record"
)

var limits = provenance.Limits{File: 64 << 20, Run: 256 << 20, Wait: 10 * time.Second}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// observe returns the files of a command that does what do does.
func observe(c provenance.Command, l provenance.Limits, do func()) *record.Files {
	w := provenance.Begin(c, l)
	w.Hash()
	do()
	return w.End()
}

func paths(list []record.File) string {
	var s []string
	for _, f := range list {
		s = append(s, f.By+":"+f.Path)
	}
	return strings.Join(s, " ")
}

// TestNames has what a command line names, and nothing else.
func TestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a", "b.txt", "c d", "sub/e", "sub/f", "x=y", "-z", "run.sh", "*", "{a,b}x{c", "bin/dash", "bin/bash"} {
		write(t, dir, name, name)
	}
	for name, to := range map[string]string{"bin/sh": "dash", "bin/ksh": "bash"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin/dash", "bin/bash"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ line, want string }{
		{"cat a b.txt a ./a", "word:a word:b.txt"},
		{"dd if=a --in=b.txt --other=none x=y", "option:a option:b.txt word:x=y"},
		{"cat -z sub none http://a 1 . .. /", "word:-z"},
		{"./run.sh", "word:run.sh"},
		{"make -C sub e a", "word:sub/e"}, {"make e -kC sub a x=e", "option:sub/e"}, {"make --directory=sub --directory .. a", "word:a"}, {"make -Csub e -f C a", "word:sub/e"},
		{"ninja -C sub e a", "word:sub/e"}, {"git -C sub add e a", "word:sub/e"}, {"git -c a=b -C sub diff -C e", "word:sub/e"}, {"git diff -C a", "word:a"},
		{"env -C sub cat e a", "word:sub/e"}, {"timeout 5 env --chdir=sub make -C .. a e", "word:a"}, {"env -C sub tar -cf e -C .. a", "word:sub/e word:a"}, {"nice cat a", "word:a"},
		{"tar -C sub -cf a e b.txt", "word:a word:sub/e"}, {"tar -cf a b.txt -C sub e a", "word:a word:b.txt word:sub/e"}, {"tar cf a -C sub e -C .. b.txt", "word:a word:sub/e word:b.txt"},
		{"tar --directory=sub --file=b.txt -X f --exclude e f", "option:b.txt word:sub/f"}, {"tar cCf sub b.txt e a", ""}, {"tar -cf b.txt a", "word:b.txt word:a"}, {"tar -C sub --file a -T f", "word:a"},
		{"any --chdir=sub a e", ""}, {"any a --directory sub", ""}, {"any -C sub a", ""}, {"any -C 3 a", "word:a"},
		{"sh -c|make -C sub e a < b.txt", "word:sub/e redirect:b.txt"}, {"sh -c|make -C $NONE e a; env -C $(x) cat a; cat b.txt", "word:b.txt"}, {"sh -c|make -C ${B} e", "word:sub/e"},
		{"/bin/sh a", "word:a"},
		{"sh -c|cat a 'c d' \"b.txt\" c\\ d", "word:a word:c d word:b.txt"},
		{"sh -c|cat < a | sort -o b.txt; tail sub/* > none", "redirect:a word:b.txt word:sub/e word:sub/f"},
		{"sh -c|cat '*' > a 2>&1 <<E\nsub/e\nE\n", "word:*"},
		{"sh -c|cat $A ${B}e $NONE $(echo b.txt) `echo a` <(cat sub/f)", "word:a word:sub/e word:b.txt word:sub/f"},
		{"sh -c|A=b.txt; cat $A; for B in a; do cat $B; done; read C; cat $C", "word:a"},
		{"sh -c|cd sub && cat e a", ""},
		{"sh -c|cat a (", ""},
		{"sh -c|command cd sub; cat e a", ""},
		{"sh -c|'c'd sub; cat e a", ""},
		{"sh -c|cat a . cd", "word:a"},
		{"sh -c|HOME=/none; cat ~/a a", "word:a"},
		{"sh -c|for ((A=0;A<1;A++)); do cat $A; done; ((B=5)); cat ${B}e a", "word:a"},
		{"sh -c|set -f; cat s*/e a", "word:a"},
		{"sh -c|cat ${A//?/b.txt} ${A:-b.txt} ${A%x} ${#A} a", "word:a"},
		{"sh -c|./run.sh || sub/e; run.sh", "word:run.sh word:sub/e"},
		{"sh -c|{ cat a; } < b.txt; if test -f sub/e; then :; fi", "redirect:b.txt word:a word:sub/e"},
		{"bash -ec cat<a sh b.txt", "redirect:a word:b.txt"},
		{"bash -o c a", "word:a"},
		{"bash -c|cat {a,b.txt} 3< sub/e", "word:a word:b.txt redirect:sub/e"},
		{"bash -c|set -e; cat {a,b.txt}", "word:a word:b.txt"},
		{"bash -c|set +B; cat {a,b.txt} x=y", "word:x=y"},
		{"bin/ksh -c|cat {a,b.txt} x=y", "word:a word:b.txt word:x=y"},
		{"bin/dash -c|cat {a,b.txt} {a} {{x,y}} {a,b}x{c \\{a,b.txt} ${A}", "word:{a,b}x{c word:a"},
		{"bin/sh -c|cat {a,b.txt} \"{a,b}\"x{c", "word:{a,b}x{c"},
	} {
		argv := strings.Fields(c.line)
		if shell, line, ok := strings.Cut(c.line, " -c|"); ok {
			argv = []string{shell, "-c", line}
		}
		f := observe(provenance.Command{Dir: dir, Argv: argv, Env: []string{"A=a", "B=sub/"}}, limits, func() {})
		if f == nil {
			f = new(record.Files)
		}
		got, want := strings.Split(paths(f.In), " "), strings.Split(c.want, " ")
		if !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("%s: %s, want %s", c.line, paths(f.In), c.want)
		}
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }

// TestTooMuch has words that come to very much: they are counted, and soon given up.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 20_100 {
		if err := os.Symlink("none", filepath.Join(dir, fmt.Sprint("f", i))); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, "a", "a")
	for _, line := range []string{"cat a f*", "cat {1..1000000} a", "cat {1..9}{1..9}{1..9}{1..9}{1..9} a", "cat a /proc/*/*/*/*"} {
		f := observe(provenance.Command{Dir: dir, Argv: []string{"bash", "-c", line}}, limits, func() {})
		// On a slow machine no time is left for the words after it, or for all of them. How much there is
		// below /proc depends on what else runs.
		if f != nil && (f.LeftOut < 1 && !strings.Contains(line, "/proc") || paths(f.In) != "" && paths(f.In) != "word:a") {
			t.Errorf("%s: %+v", line, f)
		}
	}
}

// TestChanges has files come, go and change during a run.
func TestChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"stays", "goes", "grows", "replaced", "over"} {
		write(t, dir, name, name)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "grows"), old, old); err != nil {
		t.Fatal(err)
	}
	c := provenance.Command{Dir: dir, Argv: []string{"sh", "-c", "tool stays goes grows replaced comes none > over"}}
	w := provenance.Begin(c, limits)
	w.Hash()
	time.Sleep(50 * time.Millisecond) // the hashes are taken
	write(t, dir, "comes", "here")
	write(t, dir, "grows", "grows more")
	write(t, dir, "new", "replaced by another")
	write(t, dir, "over", "OVER")
	for _, err := range []error{os.Remove(filepath.Join(dir, "goes")), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "replaced"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := w.End()
	want := &record.Files{In: []record.File{}, Out: []record.File{}}
	for _, name := range []string{"stays", "goes", "grows", "replaced"} {
		want.In = append(want.In, record.File{Path: name, Size: int64(len(name)), SHA256: sha(name), By: record.ByWord})
	}
	for _, f := range [][3]string{{"grows", "grows more", record.ByWord}, {"replaced", "replaced by another", record.ByWord}, {"comes", "here", record.ByWord}, {"over", "OVER", record.ByRedirect}} {
		want.Out = append(want.Out, record.File{Path: f[0], Size: int64(len(f[1])), SHA256: sha(f[1]), By: f[2]})
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// TestUnchanged has files that redirections name, and that the command left as they were.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a", "a")
	write(t, dir, "b", "b")
	c := provenance.Command{Dir: dir, Argv: []string{"sh", "-c", "false && echo hi > a; cat b >> none"}}
	if got := observe(c, limits, func() {}); paths(got.In) != "word:b" || len(got.Out) > 0 {
		t.Errorf("%+v", got)
	}
	// A new name or mode is no new content, and a time that was put back does not hide one.
	w := provenance.Begin(provenance.Command{Dir: dir, Argv: []string{"tool", "a", "b"}}, limits)
	w.Hash()
	time.Sleep(50 * time.Millisecond) // the hashes are taken
	info, err := os.Stat(filepath.Join(dir, "b"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "b", "B")
	for _, err := range []error{os.Chmod(filepath.Join(dir, "a"), 0o600), os.Chtimes(filepath.Join(dir, "b"), info.ModTime(), info.ModTime())} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := w.End(); paths(got.In) != "word:a word:b" || paths(got.Out) != "word:b" || got.In[1].SHA256 != sha("b") || got.Out[0].SHA256 != sha("B") {
		t.Errorf("%+v", got)
	}
}

// TestOffset has output that was appended, and then replaced.
func TestOffset(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int64{"x >> f": 2, "x >> f; y > f": 0, "x &>> f": 2} {
		dir := t.TempDir()
		write(t, dir, "f", "ab")
		got := observe(provenance.Command{Dir: dir, Argv: []string{"sh", "-c", line}}, limits, func() { write(t, dir, "f", "abcd") })
		if len(got.Out) != 1 || got.Out[0].Offset != want || len(got.In) > 0 {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// TestNotOpened has files that must not be opened: their content is nowhere, or would be lost.
func TestNotOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err == nil {
		err = f.Truncate(1 << 20)
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	write(t, dir, "secret", "x")
	if err := os.Chmod(filepath.Join(dir, "secret"), 0); err != nil {
		t.Fatal(err)
	}
	got := observe(provenance.Command{Dir: dir, Argv: []string{"cat", "fifo", "sparse", "/dev/null", "/proc/self/status", "/sys/kernel/notes", "secret", "missing/x"}}, limits, func() {
		// A file becomes a FIFO while it is hashed or looked at.
		if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
			t.Error(err)
		}
		if err := unix.Mkfifo(filepath.Join(dir, "secret"), 0o600); err != nil {
			t.Error(err)
		}
	})
	if got == nil || len(got.In) != 2 || len(got.Out) > 0 || got.In[0].Path != "sparse" || got.In[0].SHA256 != "" || got.In[0].Size != 1<<20 {
		t.Errorf("%+v", got)
	}
}

// TestSecrets has no file hashed whose name says that it holds a secret.
func TestSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := []string{"cat"}
	for _, name := range []string{".env", ".env.local", ".netrc", ".pgpass", "A.PEM", "a.key", "sub/id_ed25519", ".aws/credentials", "env"} {
		write(t, dir, name, "s3cret")
		argv = append(argv, name)
	}
	write(t, dir, "hidden/.env", "another")
	if err := os.Symlink("hidden/.env", filepath.Join(dir, "harmless")); err != nil {
		t.Fatal(err)
	}
	argv = append(argv, "harmless")
	for _, f := range observe(provenance.Command{Dir: dir, Argv: argv}, limits, func() {}).In {
		if (f.SHA256 != "") != (f.Path == "env") {
			t.Errorf("%+v", f)
		}
	}
}

// TestLimits has large files hashed in part, and long lists cut.
func TestLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := strings.Repeat("0123456789abcdef", 4<<16) // 4 MiB
	write(t, dir, "big", big)
	write(t, dir, "small", "s")
	l := limits
	l.File = 3 << 20
	got := observe(provenance.Command{Dir: dir, Argv: []string{"cat", "big", "small"}}, l, func() {})
	if f := got.In[0]; !f.Partial || f.SHA256 != sha(big[:1<<20]+big[3<<20:]) || got.In[1].Partial || got.In[1].SHA256 != sha("s") {
		t.Errorf("%+v", got)
	}
	l.File, l.Run = 64<<20, 2<<20
	if got := observe(provenance.Command{Dir: dir, Argv: []string{"cat", "big", "small"}}, l, func() {}); !got.In[0].Partial || got.In[1].SHA256 != sha("s") {
		t.Errorf("of little for a run: %+v", got)
	}
	l.File = 0
	if got := observe(provenance.Command{Dir: dir, Argv: []string{"cat", "big"}}, l, func() {}); got.In[0].SHA256 != "" || got.In[0].Partial {
		t.Errorf("without hashes: %+v", got)
	}
	l.File, l.Run, l.Wait = 64<<20, 64<<20, 0
	if got := observe(provenance.Command{Dir: dir, Argv: []string{"cat", "big"}}, l, func() {}); got == nil || len(got.In) != 1 {
		t.Errorf("without time: %+v", got)
	}
	argv := []string{"cat"}
	for i := range record.MostFiles + 7 {
		write(t, dir, fmt.Sprint("f", i), "x")
		argv = append(argv, fmt.Sprint("f", i))
	}
	if got := observe(provenance.Command{Dir: dir, Argv: argv}, limits, func() {}); len(got.In) != record.MostFiles+7 || got.LeftOut != 0 {
		t.Errorf("%d files, %d left out", len(got.In), got.LeftOut)
	}
	if w := provenance.Begin(provenance.Command{Dir: dir, Argv: []string{"true"}}, limits); w != nil || w.Named() != nil || w.End() != nil {
		t.Errorf("a command without words has %+v", w)
	}
}

// TestNamed has what is known while a run goes on.
func TestNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "in", "in")
	w := provenance.Begin(provenance.Command{Dir: dir, Argv: []string{"sh", "-c", "cat in > out"}}, limits)
	if got := w.Named(); paths(got.In) != "word:in" || got.In[0].SHA256 != "" || len(got.Out) > 0 {
		t.Errorf("%+v", got)
	}
}
