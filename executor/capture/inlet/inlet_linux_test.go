package inlet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newPipe returns a pipe whose descriptors no poller of Go's knows.
func newPipe(t *testing.T) (r int, w *os.File) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	w = os.NewFile(uintptr(p[1]), "writer")
	t.Cleanup(func() { w.Close(); unix.Close(p[0]) })
	return p[0], w
}

func devNull(t *testing.T) int {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

// open takes over a pipe, and fails if that is refused.
func open(t *testing.T, fd int, keep io.Writer) *Inlet {
	t.Helper()
	in, why := Open(fd, devNull(t), keep)
	if in == nil {
		t.Fatalf("the pipe was left alone: %q", why)
	}
	t.Cleanup(in.Close)
	return in
}

// start starts an inlet and returns its reader, and what ends the command.
func start(t *testing.T, in *Inlet, guard Guard) (reader *os.File, end func()) {
	t.Helper()
	child, err := unix.Dup(in.Child())
	if err != nil {
		t.Fatal(err)
	}
	r, w := newPipe(t)
	in.Start(r, guard)
	return os.NewFile(uintptr(child), "reader"), func() { w.Close() }
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func TestPassesAllAndHashesIt(t *testing.T) {
	r, w := newPipe(t)
	write(t, w, "early ")
	var kept bytes.Buffer
	in := open(t, r, &kept)
	if ready, err := unix.FcntlInt(uintptr(in.Child()), unix.F_GETPIPE_SZ, 0); err != nil || ready == 0 {
		t.Fatal(err)
	}
	fds := []unix.PollFd{{Fd: int32(in.Child()), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 0); n != 1 || err != nil {
		t.Error("what is in the pipe is not there when the command starts")
	}
	in.hashing.patience = time.Hour // on a slow machine
	reader, _ := start(t, in, nil)
	all := bytes.Repeat([]byte("0123456789abcde\n"), 1<<18)
	go func() {
		_, _ = w.Write(all)
		w.Close()
	}()
	got, err := io.ReadAll(reader)
	want := append([]byte("early "), all...)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes have passed, of %d: %v", len(got), len(want), err)
	}
	if p := in.Finish(); p != (Passed{int64(len(want)), sum(want), true}) {
		t.Errorf("passed %+v", p)
	}
	if !bytes.Equal(kept.Bytes(), want) {
		t.Errorf("%d bytes are kept", kept.Len())
	}
}

func TestLeavesAlone(t *testing.T) {
	dup := func(t *testing.T, fd int) {
		other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(other) })
	}
	again := func(t *testing.T, fd int) {
		other, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(other) })
	}
	// No process has a descriptor that is on its way from one process to another.
	underWay := func(t *testing.T, fd int) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(fd), nil, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	}
	child := func(t *testing.T, fd int) {
		c := exec.Command("sleep", "60")
		own, err := unix.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(own), "")
		c.Stdin = f
		if err := errors.Join(c.Start(), f.Close()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	}
	for name, share := range map[string]func(*testing.T, int){"duplicated": dup, "opened again": again, "under way": underWay, "of a child": child} {
		t.Run(name, func(t *testing.T) {
			r, w := newPipe(t)
			write(t, w, "text")
			share(t, r)
			in, why := Open(r, devNull(t), nil)
			if in != nil {
				in.Close()
			}
			if in != nil || why != Shared {
				t.Errorf("it was taken over, or the reason is %q", why)
			}
			b := make([]byte, 10)
			if n, err := unix.Read(r, b); string(b[:max(n, 0)]) != "text" || err != nil {
				t.Errorf("the command reads %q: %v", b[:max(n, 0)], err)
			}
			if flags, err := unix.FcntlInt(uintptr(r), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("it is inherited: %v", err)
			}
		})
	}
}

func TestLeavesAloneWhatIsNotAPipeOfItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	both, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, c := range []struct {
		fd   int
		want string
	}{{int(reader.Fd()), Shared}, {int(both.Fd()), Unknown}, {devNull(t), ""}} {
		if in, why := Open(c.fd, devNull(t), nil); in != nil || why != c.want {
			t.Errorf("taken over, or the reason is %q and should be %q", why, c.want)
		}
	}
}

func TestEndOfTheReaderReachesTheWriter(t *testing.T) {
	r, w := newPipe(t)
	in := open(t, r, nil)
	reader, _ := start(t, in, nil)
	write(t, w, "text")
	b := make([]byte, 4)
	if _, err := io.ReadFull(reader, b); err != nil || string(b) != "text" {
		t.Errorf("%q: %v", b, err)
	}
	reader.Close()
	p := in.Finish() // nothing else ends it: the writer writes nothing more
	if _, err := w.WriteString("more"); !errors.Is(err, unix.EPIPE) {
		t.Errorf("the writer still writes: %v", err)
	}
	if p.Whole || p.Size != 4 || p.SHA256 != sum([]byte("text")) {
		t.Errorf("passed %+v", p)
	}
}

func TestReaderThatOutlivesTheCommand(t *testing.T) {
	r, w := newPipe(t)
	in := open(t, r, nil)
	reader, end := start(t, in, nil)
	defer reader.Close()
	write(t, w, "text")
	b := make([]byte, 4)
	if _, err := io.ReadFull(reader, b); err != nil {
		t.Fatal(err)
	}
	end()
	if p := in.Finish(); p.Whole || p.Size != 4 {
		t.Errorf("passed %+v", p)
	}
	src, dst, held := in.Held()
	if !held || src < 0 || dst < 0 {
		t.Fatal("the pipe is not held for the reader")
	}
	write(t, w, "more")
	if n, err := unix.Splice(src, nil, dst, nil, 100, 0); n != 4 || err != nil {
		t.Errorf("%d bytes can be copied: %v", n, err)
	}
}

// slow hashes nothing until it is allowed to.
type slow struct{ wait chan struct{} }

func (s slow) Write(b []byte) (int, error) {
	<-s.wait
	return len(b), nil
}

func TestGivesUpHashingRatherThanHoldUpTheCommand(t *testing.T) {
	r, w := newPipe(t)
	keep := slow{make(chan struct{})}
	in := open(t, r, keep)
	reader, _ := start(t, in, nil)
	const size = 8 << 20
	go func() {
		_, _ = w.Write(make([]byte, size))
		w.Close()
	}()
	go func() { // the first chunks wait, and so does the command, for longer than its patience
		time.Sleep(3 * patience)
		close(keep.wait)
	}()
	n, err := io.Copy(io.Discard, reader)
	if n != size || err != nil {
		t.Errorf("%d bytes have passed: %v", n, err)
	}
	if p := in.Finish(); p != (Passed{size, "", true}) {
		t.Errorf("passed %+v", p)
	}
}

func TestGuardTakesOver(t *testing.T) {
	r, w := newPipe(t)
	in := open(t, r, nil)
	called, released := make(chan [2]int, 1), make(chan bool, 1)
	reader, _ := start(t, in, func(src, dst int) func() {
		called <- [2]int{src, dst}
		return func() { released <- true }
	})
	write(t, w, "text") // it passes while the guard is not there yet
	b := make([]byte, 4)
	if _, err := io.ReadFull(reader, b); err != nil {
		t.Fatal(err)
	}
	if got := <-called; got[0] < 0 || got[1] < 0 {
		t.Errorf("the guard gets %v", got)
	}
	w.Close()
	<-released
	reader.Close()
	in.Finish()
}
