package index_test

import (
	"errors"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/index"
	"qme/record"
	"qme/tests/require"
)

// childDir names, to a child process of a test, the folder of the index.
const childDir = "QME_TEST_INDEX"

// inChild runs a test in a process of its own, in which check gets the folder of an index.
func inChild(t *testing.T, check func(t *testing.T, dir string)) {
	t.Helper()
	if dir := os.Getenv(childDir); dir != "" {
		check(t, dir)
		return
	}
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), childDir+"="+filepath.Join(t.TempDir(), "index"))
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTooManyFiles has a search that cannot open the files of the index, as the system allows
// no more, say so, find what there is and leave the index as it is.
func TestTooManyFiles(t *testing.T) { inChild(t, searchWithFewFiles) }

// TestFullDisk has a search that cannot bring the index up to date, as a file would get too
// large, end, say so, find what there is and leave the index as it is.
func TestFullDisk(t *testing.T) { inChild(t, searchWithSmallFiles) }

func searchWithSmallFiles(t *testing.T, dir string) {
	rnd := rand.New(rand.NewPCG(31, 32))
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	q := parse(t, "moto", false)
	same(t, sn, dir, q, "first")
	sn = h.commit(add(t, rnd, 300))
	before := states(t, dir)
	for _, size := range []uint64{1 << 10, 16 << 10, 80 << 10} {
		var warnings []error
		s := &index.Search{Source: sn, Query: q, Limit: limit, Warn: func(err error) { warnings = append(warnings, err) }}
		scan := &index.Search{Source: sn, Query: q, Limit: limit}
		restore := setLimit(t, unix.RLIMIT_FSIZE, size)
		got := collect(s, s.Run(t.Context(), dir))
		restore()
		if want := collect(scan, scan.Scan(t.Context())); !slices.Equal(got.ids, want.ids) {
			t.Errorf("with %d bytes: %d tasks, want %d", size, len(got.ids), len(want.ids))
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "cannot be brought up to date") || !strings.Contains(warnings[0].Error(), "too large") {
			t.Errorf("with %d bytes: %v", size, warnings)
		}
		if after := states(t, dir); !slices.Equal(after, before) {
			t.Errorf("with %d bytes: the index is %v, was %v", size, after, before)
		}
	}
	same(t, sn, dir, q, "with space")
}

// TestNoSpaceToJoin has a search that makes the index, and cannot join its segments, as a file would
// get too large, end, say so at most, and find what there is. What it has written serves.
func TestNoSpaceToJoin(t *testing.T) {
	require.Alone(t)
	inChild(t, searchWithNoSpaceToJoin)
}

// A slowSource gives bleve the time to write a file of some of the records.
type slowSource struct{ snapshot }

func (s slowSource) Records(rg record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		n := 0
		for res := range s.snapshot.Records(rg) {
			if n++; n%600 == 0 {
				time.Sleep(300 * time.Millisecond)
			}
			if !yield(res) {
				return
			}
		}
	}
}

func searchWithNoSpaceToJoin(t *testing.T, dir string) {
	h := new(history)
	sn := h.commit(add(t, rand.New(rand.NewPCG(41, 42)), 3000))
	q := parse(t, "moto", false)
	same(t, sn, dir, q, "first")
	var largest uint64
	for _, name := range files(t, dir) {
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, uint64(st.Size()))
	}
	left := 0
	for _, part := range []uint64{60, 80, 98, 98, 98} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		var warnings []error
		s := &index.Search{Source: slowSource{sn}, Query: q, Limit: limit, Warn: func(err error) { warnings = append(warnings, err) }}
		scan := &index.Search{Source: sn, Query: q, Limit: limit}
		restore := setLimit(t, unix.RLIMIT_FSIZE, largest*part/100)
		got := collect(s, s.Run(t.Context(), dir))
		restore()
		if want := collect(scan, scan.Scan(t.Context())); !slices.Equal(got.ids, want.ids) {
			t.Errorf("%d hundredths: %d tasks, want %d", part, len(got.ids), len(want.ids))
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "too large") {
			t.Errorf("%d hundredths: %v", part, warnings)
		} else if strings.Contains(warnings[0].Error(), "could not be joined") {
			left++
			before := states(t, dir)
			same(t, sn, dir, q, "what is left")
			if after := states(t, dir); !slices.Equal(after, before) {
				t.Errorf("%d hundredths: the index is %v, was %v", part, after, before)
			}
		}
	}
	if left == 0 {
		t.Error("there was space to join, or none to write: the test does not test")
	}
	same(t, sn, dir, q, "with space")
}

func searchWithFewFiles(t *testing.T, dir string) {
	rnd := rand.New(rand.NewPCG(27, 28))
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	q := parse(t, "moto", false)
	same(t, sn, dir, q, "first")
	sn = h.commit(add(t, rnd, 300))
	same(t, sn, dir, q, "second")
	before := states(t, dir)
	failed := 0
	for more := range uint64(12) {
		var warnings []error
		s := &index.Search{Source: sn, Query: q, Limit: limit, Warn: func(err error) { warnings = append(warnings, err) }}
		scan := &index.Search{Source: sn, Query: q, Limit: limit}
		restore := allowFiles(t, more)
		got, want := collect(s, s.Run(t.Context(), dir)), collect(scan, scan.Scan(t.Context()))
		restore()
		if !slices.Equal(got.ids, want.ids) {
			t.Errorf("with %d files: %d tasks, want %d", more, len(got.ids), len(want.ids))
		}
		if len(warnings) == 1 && errors.Is(warnings[0], unix.EMFILE) && strings.Contains(warnings[0].Error(), "ulimit -n") {
			failed++
		} else if len(warnings) > 0 {
			t.Errorf("with %d files: %v", more, warnings)
		}
	}
	if failed < 3 || failed == 12 {
		t.Errorf("%d of 12 searches could not open their files: the test does not test", failed)
	}
	if after := states(t, dir); !slices.Equal(after, before) {
		t.Errorf("the index is %v, was %v", after, before)
	}
}

// allowFiles lets the process open no more than so many files, beside those that it has.
func allowFiles(t *testing.T, more uint64) (restore func()) {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(f.Fd())
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return setLimit(t, unix.RLIMIT_NOFILE, next+more)
}

// setLimit sets a limit of the process.
func setLimit(t *testing.T, which int, to uint64) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(which, &old); err != nil {
		t.Fatal(err)
	}
	set := func(l unix.Rlimit) {
		if err := unix.Setrlimit(which, &l); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.Rlimit{Cur: to, Max: old.Max})
	return func() { set(old) }
}

// states returns the files of the index with their times.
func states(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for _, name := range files(t, dir) {
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, name+" "+st.ModTime().String())
	}
	return all
}
