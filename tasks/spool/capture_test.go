package spool_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/spool"
)

// sizes are those around the borders of what is kept.
func sizes(keep int) []int {
	half := (keep + 1) / 2
	var all []int
	for _, around := range []int{0, half, keep, 2 * half, 3 * half, 4*half + half/3, 17 * half} {
		for d := -1; d <= 1; d++ {
			if around+d >= 0 {
				all = append(all, around+d)
			}
		}
	}
	return all
}

// TestRecorderIsExact writes streams of all interesting lengths in random chunks
// and compares what is stored with what should be.
func TestRecorderIsExact(t *testing.T) {
	t.Parallel()
	for name, fsys := range map[string]afero.Fs{"disk": afero.NewOsFs(), "memory": afero.NewMemMapFs()} {
		for _, keep := range []int{1, 2, 3, 10, 101, 4096, 200_001} {
			t.Run(fmt.Sprint(name, keep), func(t *testing.T) {
				t.Parallel()
				dir := "/running"
				if name == "disk" {
					dir = t.TempDir()
				}
				s := spool.New(fsys, dir)
				rnd := rand.New(rand.NewPCG(uint64(keep), 7))
				for _, size := range sizes(keep) {
					b := noise(byte(size), size)
					for range 3 {
						recordOne(t, s, b, keep, 1+rnd.IntN(max(1, 2*keep)), rnd)
					}
				}
			})
		}
	}
}

func recordOne(t *testing.T, s *spool.Spool, b []byte, keep, chunk int, rnd *rand.Rand) {
	t.Helper()
	what := fmt.Sprintf("%d bytes, %d kept, chunks of up to %d", len(b), keep, chunk)
	rec := running(t)
	e := begin(t, s, rec)
	r := e.Recorder(record.Stdout, int64(keep))
	for rest := b; len(rest) > 0; {
		n := min(len(rest), 1+rnd.IntN(chunk))
		if m, err := r.Write(rest[:n]); m != n || err != nil {
			t.Fatalf("%s: Write of %d returns %d, %v", what, n, m, err)
		}
		rest = rest[n:]
	}
	want, cut := kept(b, keep)
	// As another process would see it that takes over, and one that looks on.
	salvaged, err := e.Salvage(inline)
	if err != nil {
		t.Fatalf("%s: Salvage: %v", what, err)
	}
	checkStream(t, what+", salvaged", e, salvaged, b, want, cut, true)
	if len(b) > 0 {
		live, err := s.Stream(rec.UID, record.Stdout)
		if err != nil {
			t.Fatalf("%s: Stream: %v", what, err)
		}
		if got := readAll(t, live); !bytes.Equal(got, want) {
			t.Errorf("%s: Stream returns %d bytes, want %d, or others", what, len(got), len(want))
		}
	}
	if err := r.Close(rec, inline); err != nil {
		t.Fatalf("%s: Close: %v", what, err)
	}
	checkStream(t, what, e, rec, b, want, cut, false)
	if err := e.Remove(); err != nil {
		t.Errorf("%s: Remove: %v", what, err)
	}
}

// checkStream compares a record's description of standard output and the bytes
// stored for it with what they should be.
func checkStream(t *testing.T, what string, e *spool.Entry, rec *record.Record, all, want []byte, cut *record.Cut, salvaged bool) {
	t.Helper()
	lines, d := record.Stdout.Of(rec)
	blobs, err := e.Streams(rec)
	if err != nil {
		t.Fatalf("%s: Streams: %v", what, err)
	}
	if record.Inline(all, inline) && cut == nil {
		if d != nil || strings.Join(lines, "") != string(all) || len(blobs) > 0 {
			t.Errorf("%s: not in the record as it should be: %q, %+v", what, lines, d)
		}
		return
	}
	if d == nil {
		t.Errorf("%s: no description", what)
		return
	}
	hash := sum(all)
	if salvaged && cut != nil {
		hash = "" // not all bytes are there to be hashed
	}
	if d.Size != int64(len(all)) || d.SHA256 != hash || (d.Cut == nil) != (cut == nil) || cut != nil && *d.Cut != *cut {
		t.Errorf("%s: described as %+v %+v, want %d bytes, %+v, SHA-256 %s", what, d, d.Cut, len(all), cut, hash)
	}
	blob := blobs[record.Stdout]
	for range 2 { // it can be read more than once
		if got := content(t, blob); blob.Size != int64(len(want)) || blob.Size != d.Stored() || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are stored, %d announced, want %d, or others", what, len(got), blob.Size, len(want))
		}
	}
}

// TestNothingIsKept has the setting run.keep be 0.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	rec := running(t)
	e := begin(t, s, rec)
	r := e.Recorder(record.Stdout, 0)
	if _, err := r.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(rec, 0); err != nil {
		t.Fatal(err)
	}
	d := rec.Data.Stdout
	if d == nil || d.Size != 5 || d.Stored() > 2 || d.SHA256 != sum([]byte("hello")) {
		t.Errorf("described as %+v", d)
	}
}

// TestStreamsApart records both streams at once.
func TestStreamsApart(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	rec := running(t)
	e := begin(t, s, rec)
	out, errs := e.Recorder(record.Stdout, 1000), e.Recorder(record.Stderr, 1000)
	for i := range 100 {
		if _, err := fmt.Fprintf(out, "out %d\n", i); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(errs, "error %d\n", i%3); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*spool.Recorder{out, errs} {
		if err := r.Close(rec, inline); err != nil {
			t.Fatal(err)
		}
	}
	blobs, err := e.Streams(rec)
	if err != nil || len(blobs) != 2 {
		t.Fatalf("%d streams, %v", len(blobs), err)
	}
	if got := string(content(t, blobs[record.Stdout])); !strings.HasPrefix(got, "out 0\n") || !strings.HasSuffix(got, "out 99\n") {
		t.Errorf("stdout holds %q", got)
	}
	if got := string(content(t, blobs[record.Stderr])); !strings.HasPrefix(got, "error 0\n") || !strings.HasSuffix(got, "error 0\n") {
		t.Errorf("stderr holds %q", got)
	}
	if rec.Data.Output[0] != "out 0\n" || rec.Data.Error[0] != "error 0\n" {
		t.Errorf("previews %q and %q", rec.Data.Output, rec.Data.Error)
	}
}

// growing is a file system on which the run goes on between two looks of whoever
// watches it.
type growing struct {
	afero.Fs
	grow func()
}

func (g growing) Stat(name string) (os.FileInfo, error) {
	info, err := g.Fs.Stat(name)
	if strings.HasSuffix(name, "stdout") {
		g.grow()
	}
	return info, err
}

// TestWatchingAStreamThatGrows looks at a stream that passes from its first file
// to the ring at that moment.
func TestWatchingAStreamThatGrows(t *testing.T) {
	t.Parallel()
	const keep = 2000
	dir := t.TempDir()
	rec := running(t)
	e := begin(t, spool.New(afero.NewOsFs(), dir), rec)
	r := e.Recorder(record.Stdout, keep)
	b := noise(1, 10*keep)
	if _, err := r.Write(b[:500]); err != nil {
		t.Fatal(err)
	}
	written := 500
	watcher := spool.New(growing{afero.NewOsFs(), func() {
		if _, err := r.Write(b[written:7000]); err != nil {
			t.Error(err)
		}
		written = 7000
	}}, dir)
	live, err := watcher.Stream(rec.UID, record.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, live)
	later, _ := kept(b[:7000], keep)
	if !bytes.Equal(got, b[:500]) && !bytes.Equal(got, b[:1000]) && !bytes.Equal(got, later) {
		t.Errorf("%d bytes were read that were never what is stored", len(got))
	}
	if list, err := watcher.List(inline); err != nil || len(list) != 1 || list[0].Err != nil {
		t.Errorf("List returns %v, %v", list, err)
	}
}
