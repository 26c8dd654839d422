package trace

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/tests/require"
)

// stageName is the name under which the test's program becomes a traced command.
const stageName = "trace-test: stage"

func TestMain(m *testing.M) {
	Helper()
	if os.Args[0] == stageName {
		runtime.LockOSThread()
		syscall.CloseOnExec(3)
		if err := Install(3); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		path, err := exec.LookPath(os.Args[1])
		if err == nil {
			err = syscall.Exec(path, os.Args[1:], os.Environ())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(127)
	}
	switch os.Getenv(partVariable) {
	case "copy":
		copyFiles(os.Args[1], os.Args[2])
	case "ring":
		// The memory is too small, so the kernel refuses: that it was tried is enough.
		_, _, _ = unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
		os.Exit(0)
	}
	if os.Args[0] == tracerName {
		os.Exit(tracerMain())
	}
	os.Exit(m.Run())
}

// partVariable makes this program a part of a traced command.
const partVariable = "TRACE_TEST_PART"

// part returns the word of a shell for this program as a part.
func part(t *testing.T, name string) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "env " + partVariable + "=" + name + " " + path
}

// copyFiles is a static program of several threads: it copies the files of a folder through temporary
// names.
func copyFiles(from, to string) {
	entries, err := os.ReadDir(from)
	if err == nil {
		err = os.Mkdir(to, 0o700)
	}
	var copying sync.WaitGroup
	for _, e := range entries {
		copying.Go(func() {
			b, err := os.ReadFile(filepath.Join(from, e.Name()))
			if err == nil {
				err = os.WriteFile(filepath.Join(to, e.Name()+".tmp"), b, 0o600)
			}
			if err == nil {
				err = os.Rename(filepath.Join(to, e.Name()+".tmp"), filepath.Join(to, e.Name()))
			}
			if err != nil {
				panic(err)
			}
		})
	}
	copying.Wait()
	if err != nil {
		panic(err)
	}
	os.Exit(0)
}

// traced runs a command and returns what was seen of it.
func traced(t testing.TB, dir string, argv ...string) Result {
	t.Helper()
	tracer, cmd := start(t, dir, argv...)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", argv, err, cmd.Stderr)
	}
	r, err := tracer.End()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t testing.TB, dir string, argv ...string) (*Tracer, *exec.Cmd) {
	t.Helper()
	require.Component(t, "seccomp")
	tracer, err := New(os.Getenv(Variable))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{stageName}, argv...)
	cmd.Dir, cmd.ExtraFiles = dir, []*os.File{tracer.Stage()}
	var out bytes.Buffer
	cmd.Stderr, cmd.Env = &out, append(os.Environ(), Variable+"="+tracer.Address())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := tracer.Started(); err != nil {
		t.Fatal(err)
	}
	return tracer, cmd
}

// sameCommits makes commits of git equal in each run.
func sameCommits(t *testing.T) {
	t.Setenv("GIT_AUTHOR_DATE", "2026-11-01T00:00:00Z")
	t.Setenv("GIT_COMMITTER_DATE", "2026-11-01T00:00:00Z")
}

func script(t testing.TB, dir, text string) Result {
	t.Helper()
	return traced(t, dir, "sh", "-c", text)
}

// names lists the files below dir: "r name", "w name" or "rw name".
func names(t testing.TB, r Result, dir string) []string {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range r.Files {
		rel, below := strings.CutPrefix(f.Path, real+"/")
		if !below {
			continue
		}
		how := ""
		if f.Read {
			how += "r"
		}
		if f.Written {
			how += "w"
		}
		all = append(all, how+" "+rel)
	}
	return all
}

func TestScripts(t *testing.T) {
	for _, test := range []struct {
		script string
		want   []string
	}{
		{`cat a`, []string{"r a"}},
		{`cat a > b`, []string{"r a", "w b"}},
		{`echo x >> a`, []string{"w a"}},
		{`cp a c && mv c d && rm -f a`, []string{"r a", "w d"}},
		{`mkdir s && cd s && echo x > y && cat y && cat ../a`, []string{"r a", "w s/y"}},
		{`ln -s a l && cat l`, []string{"r a"}},
		{`ln -s a l && echo x > l`, []string{"w a"}},
		{`ln a h && cat h`, []string{"r a", "w h"}},
		{`mkdir s && echo x > s/y && mv s t`, []string{"w t/y"}},
		{`mv there moved && mv moved/deep deeper`, []string{"w deeper/c", "w moved/b"}},
		{`cat missing || true; cat . 2>/dev/null || true`, nil},
		{`exec 3<a; cat /dev/fd/3; cat /proc/self/fd/3`, []string{"r a"}},
		{`cat < a | cat | cat > b`, []string{"r a", "w b"}},
		{`printf '#!/bin/sh\ncat a' > s; chmod +x s; ./s`, []string{"r a", "w s"}},
		{`(sleep 0.05; cat a) & wait`, []string{"r a"}},
		{`env -i /bin/cat a`, []string{"r a"}},
		{`printf '#! ./no\n' > s; chmod +x s; ./s 2>/dev/null || true`, []string{"w s"}},
		{`exec 3<a; cat /proc/$$/fd/3; cat /proc/self/cwd/a`, []string{"r a"}},
		{`cd /proc/self/fd; exec 3<"$OLDPWD/a"; cd /proc/$$/fd; cat 3`, []string{"r a"}},
		{`set -C; echo x 2>/dev/null > a || cat a`, []string{"r a"}},
		{`echo x > b; mv -T b . 2>/dev/null || ln b a 2>/dev/null || cat a`, []string{"r a", "w b"}},
		{`cp /bin/sh mine; printf "#!$PWD/mine\ncat a" > s; chmod +x s; ./s`, []string{"r a", "w mine", "w s"}},
	} {
		t.Run(test.script, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"a", "there/b", "there/deep/c"} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte("a\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := script(t, dir, test.script)
			if got := names(t, r, dir); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if r.Losses.Any() {
				t.Errorf("losses: %+v", r.Losses)
			}
		})
	}
}

// TestPython uses files as no shell does.
func TestPython(t *testing.T) {
	require.Component(t, "python3")
	for _, test := range []struct {
		name, script string
		want         []string
	}{
		{"openat2 in a root", `
import ctypes, os, struct
def openat2(dir, name, flags, resolve):
    how = ctypes.create_string_buffer(struct.pack("QQQ", flags, 0o600 if flags & os.O_CREAT else 0, resolve))
    return ctypes.CDLL(None, use_errno=True).syscall(437, os.open(dir, os.O_PATH), name, how, 24)
os.makedirs("root/s"); open("root/s/a", "w").close(); os.symlink("/s", "root/l"); os.symlink(os.getcwd() + "/a", "root/out")
assert openat2("root", b"/l/a", os.O_RDONLY, 0x10) >= 0
assert openat2("root", b"/l/new", os.O_WRONLY | os.O_CREAT, 0x10) >= 0
assert openat2("root", b"out", os.O_RDONLY, 0x08) < 0`, []string{"w root/s/a", "w root/s/new"}},
		{"an open that fails", `
import os
try: os.open("a", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
except FileExistsError: open("a").read()`, []string{"r a"}},
		{"links of a process", `
import os
open("/proc/%d/fd/%d" % (os.getpid(), os.open("a", os.O_PATH))).read()
open("/proc/self/cwd/sub/c").read()`, []string{"r a", "r sub/c"}},
		{"exchange", `
import ctypes
open("b", "w").write("new")
assert ctypes.CDLL(None).syscall(316, -100, b"a", -100, b"b", 2) == 0
open("a").read()`, []string{"w a", "w b"}},
		{"exchange of old files", `
import ctypes
assert ctypes.CDLL(None).syscall(316, -100, b"a", -100, b"sub/c", 2) == 0`, []string{"w a", "w sub/c"}},
		{"memory", `
import os, sys
name = "/dev/shm/trace-test-%d" % os.getpid()
with open(name, "w") as f: f.write("x")
os.rename("a", "b")
os.symlink(name, "l")`, []string{"w b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a"), []byte("a\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o700), os.WriteFile(filepath.Join(dir, "sub/c"), []byte("c\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
			r := traced(t, dir, "python3", "-c", test.script)
			if got := names(t, r, dir); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if r.Losses.Any() {
				t.Errorf("losses: %+v", r.Losses)
			}
			name, err := os.Readlink(filepath.Join(dir, "l"))
			if err != nil {
				return
			}
			_ = os.Remove(name) // it is of this test
			if !slices.ContainsFunc(r.Files, func(f File) bool { return f.Path == name && f.Written }) {
				t.Errorf("%s is missing", name)
			}
		})
	}
}

// TestChangesRoot has a process that was seen before see another tree: it is said at once.
func TestChangesRoot(t *testing.T) {
	require.Component(t, "python3", "root")
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "jail"), 0o700), os.WriteFile(filepath.Join(dir, "jail/data"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r := traced(t, dir, "python3", "-c", `import os; os.chroot("jail"); open("/data").read()`)
	if !slices.ContainsFunc(r.Files, func(f File) bool { return f.Path == "/data" && f.Foreign }) || r.Losses.Foreign == 0 {
		t.Errorf("not listed; losses: %+v", r.Losses)
	}
}

// TestOutliveMany has processes that outlive the command call all the time.
func TestOutliveMany(t *testing.T) {
	for range 10 {
		script(t, t.TempDir(), `for i in 1 2 3 4; do (for j in $(seq 2000); do : < /dev/null; done) > out 2>&1 & done; read x < out || true`)
	}
}

// TestNestedOrphan has a process within an inner trace first be seen after its parent has ended, which
// the inner trace must say.
func TestNestedOrphan(t *testing.T) {
	require.Component(t, "seccomp")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script(t, dir, `bash -c 'exec -a "`+tracerName+`" "$0" sh -c "( (sleep 0.1; echo x > orphan) & ); until test -e orphan; do sleep 0.01; done"' `+self+` > out 2>&1`)
	b, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil || strings.Contains(string(b), `"Unreadable":0`) && !strings.Contains(string(b), `"orphan"`) {
		t.Errorf("the inner trace printed %s, %v", b, err)
	}
}

// TestNestedName has the trace around another one hand a name over that is not UTF-8.
func TestNestedName(t *testing.T) {
	require.Component(t, "seccomp")
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	outer := script(t, dir, `bash -c 'exec -a "`+tracerName+`" "$0" sh -c "echo x > \"$(printf "a\\377")\"; cat < \"$(printf "a\\377")\" > /dev/null"' `+self+` > out 2>&1`)
	b, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil || !strings.Contains(string(b), `"a\xff"`) {
		t.Errorf("the inner trace printed %s, %v; the outer one saw %q", b, err, names(t, outer, dir))
	}
}

var fdPath = regexp.MustCompile(`= \d+<([^<>]+)>`)

// TestAgainstStrace compares with the files that strace sees opened.
func TestAgainstStrace(t *testing.T) {
	require.Component(t, "strace", "git", "make", "gcc", "python3")
	sameCommits(t)
	for _, text := range []string{
		part(t, "copy") + ` src copied`,
		`printf '#include "a.h"\nint main(void) { return f(); }\n' > m.c; printf 'int f(void) { return 0; }\n' > f.c; echo 'int f(void);' > a.h; printf 'm: m.o f.o\n\tgcc -o $@ $^\n%%.o: %%.c a.h\n\tgcc -c -o $@ $<\n' > Makefile; make -s -j2; ./m`,
		`tar cf x.tar src && mkdir y && tar xf x.tar -C y`,
		`printf 'all: o1 o2\no%%: src/f%%\n\tcat $< > $@\n' > Makefile; make -j2`,
		`git init -q r && cp -r src r && cd r && git add . && git -c user.name=a -c user.email=a@b commit -qm x && git checkout -q -b z && rm -r src && git checkout -q .`,
		`ls src | xargs -P8 -I@ sh -c 'cat src/@ > @.out'`,
		`mkdir d && cd d && cp -r ../src . && ln -s src/f1 l && cat l src/../src/f2 && cd src && cat ../../src/f3 > n`,
		`git init -q r && cd r && for i in 1 2 3; do cp ../src/f$i . && git add . && git -c user.name=a -c user.email=a@b commit -q -m x; done; git gc -q`,
		`python3 -c 'import os;f=open("t.tmp","w");f.write("x");f.close();os.rename("t.tmp","t");d=os.open("src",os.O_RDONLY);print(os.read(os.open("f1",os.O_RDONLY,dir_fd=d),9))'`,
		`python3 -c 'import os;f=os.open(".",os.O_TMPFILE|os.O_RDWR);os.write(f,b"x");os.link("/proc/self/fd/%d"%f,"linked",dst_dir_fd=os.open(".",0),follow_symlinks=True)'`,
	} {
		t.Run(text[max(0, len(text)-20):], func(t *testing.T) {
			make := func() string {
				dir := t.TempDir()
				for i := range 30 {
					p := filepath.Join(dir, "src", fmt.Sprintf("f%d", i))
					_ = os.MkdirAll(filepath.Dir(p), 0o700)
					if err := os.WriteFile(p, fmt.Appendf(nil, "%d\n", i), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				return dir
			}
			a, b := make(), make()
			began := time.Now()
			r := script(t, a, text)
			took := time.Since(began)
			got := names(t, r, a)
			for i := range got {
				_, got[i], _ = strings.Cut(got[i], " ")
			}
			log := filepath.Join(t.TempDir(), "log")
			cmd := exec.Command("strace", "-f", "-y", "-o", log, "-e", "trace=open,openat,openat2,creat,rename,renameat,renameat2,link,linkat", "sh", "-c", text)
			cmd.Dir = b
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			content, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, m := range fdPath.FindAllSubmatch(content, -1) {
				p := string(m[1])
				if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && strings.HasPrefix(p, b+"/") {
					want = append(want, strings.TrimPrefix(p, b+"/"))
				}
			}
			slices.Sort(want)
			want = slices.Compact(want)
			missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(got, s) })
			placed := regexp.MustCompile(`(?m)(rename|link)\w*\(.*$`).FindAll(content, -1)
			more := slices.DeleteFunc(slices.Clone(got), func(s string) bool {
				// A file that was renamed, or linked, into its place was opened by another name.
				hasName := func(line []byte) bool { return bytes.Contains(line, []byte(filepath.Base(s)+`"`)) }
				return slices.Contains(want, s) || slices.ContainsFunc(placed, hasName)
			})
			t.Logf("%d files, %v, temporary %d", len(got), took, r.Temporary)
			if len(missing)+len(more) > 0 {
				t.Errorf("missing %q, more %q", missing, more)
			}
			if r.Losses.Any() {
				t.Errorf("losses: %+v", r.Losses)
			}
		})
	}
}

// TestInherited passes open files on, as a shell does.
func TestInherited(t *testing.T) {
	require.Component(t, "seccomp")
	dir := t.TempDir()
	tracer, err := New(os.Getenv(Variable))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"in", "both", "unchanged"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(name string, flags int) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{stageName, "sh", "-c", "cat <&4; echo y >&5; echo z >&6"}
	cmd.ExtraFiles = []*os.File{tracer.Stage(), open("in", os.O_RDONLY), open("out", os.O_WRONLY|os.O_CREATE), open("both", os.O_RDWR), open("unchanged", os.O_RDWR)}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := tracer.Started(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	r, err := tracer.End()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, r, dir), []string{"rw both", "r in", "w out", "r unchanged"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNotSeen has a trace say what it cannot have seen.
func TestNotSeen(t *testing.T) {
	require.Component(t, "root", "unshare")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := script(t, dir, part(t, "ring")); r.Losses.Rings != 1 {
		t.Errorf("io_uring: %+v", r.Losses)
	}
	r := script(t, dir, "unshare -m cat a")
	foreign := slices.IndexFunc(r.Files, func(f File) bool { return f.Foreign && filepath.Base(f.Path) == "a" && f.Read })
	if r.Losses.Foreign == 0 || foreign < 0 {
		t.Errorf("another mount namespace: %+v, %+v", r.Losses, r.Files)
	}
}
