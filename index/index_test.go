package index_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"qme/index"
	"qme/index/query"
	"qme/record"
	"qme/tests/require"
)

// needle returns a random query for a piece of a record, or for what is in none.
func needle(rnd *rand.Rand, r *record.Record) string {
	texts := []string{r.Command, r.Data.Message, r.Data.PWD, strings.Join(r.Data.Output, ""), strings.Join(r.Data.Error, ""), string(r.UID), randomText(rnd, 2)}
	if r.Data.Job != nil {
		texts = append(texts, strings.Join(r.Data.Job.Output, ""), strings.Join(r.Data.Job.Error, ""))
	}
	if r.Data.Stdout != nil || r.Data.Stderr != nil {
		texts = append(texts, strings.ToValidUTF8(streamOf(r), "\ufffd"))
	}
	text := []rune(texts[rnd.IntN(len(texts))])
	if len(text) == 0 {
		text = []rune("x")
	}
	from := rnd.IntN(len(text))
	piece := string(text[from:min(len(text), from+1+rnd.IntN(6))])
	if rnd.IntN(3) == 0 {
		piece = strings.ToUpper(piece)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(piece) + `"`
}

var conditions = []string{
	"failed", "-failed", "running", "status:cancelled", "-status:complete", "rc:>0", "rc:0", "-rc:1", "duration:>3", "duration:<=1", "after:2d", "-after:2d",
	"before:1d -failed", "on:2d", "executor:shell", "-executor:shell", "id:shell-0", "id:7", "prep2-0", "fmri", "2-0 -id:a", "user:ada", "host:login2",
	"commit:0123", "commit:123", "0123456789abcdef", "0123456", "branch:main-", "branch:moto", "-commit:f", "status:ok", "-status:ok", "status:unknown",
	"moto OR seed", "failed OR moto", "a OR 日本", "moto OR -seed", "output:moto OR error:space", "rc:1 OR rc:2", "commit:0123 OR moto T1w OR seed",
}

// TestSameAsScan has a thousand random needles, of one letter and more, find the same
// with the index as without, while tasks come, change and go.
func TestSameAsScan(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	found, short := 0, 0
	needles := 1000
	if testing.Short() { // with the race detector each takes five times as long
		needles = 300
	}
	for i := range needles {
		if i%20 == 19 {
			sn = h.commit(change(t, rnd, i))
		}
		r := pick(rnd, sn.all)
		q := needle(rnd, r)
		switch rnd.IntN(10) {
		case 0:
			q += " " + needle(rnd, r)
		case 1:
			q += " -" + needle(rnd, r)
		case 2:
			q = "output:" + q
		case 3:
			q += " rc:>0"
		case 4:
			q = "-" + q
		case 6:
			q += " OR " + needle(rnd, pick(rnd, sn.all))
		case 5:
			q += " " + conditions[rnd.IntN(len(conditions))]
		}
		var options []func(*index.Search)
		if rnd.IntN(4) == 0 {
			q = conditions[rnd.IntN(len(conditions))]
		}
		switch rnd.IntN(6) {
		case 0:
			options = append(options, func(s *index.Search) { s.AllRuns = true })
		case 1:
			options = append(options, func(s *index.Search) { s.Whole = true })
		case 2:
			added := addedRuns(t, rnd, sn.all)
			options = append(options, func(s *index.Search) { s.Added = added })
		case 3:
			options = append(options, func(s *index.Search) { s.Hold = true })
		}
		if utf8.RuneCountInString(q) <= 4 {
			short++
		}
		got := sameInBothOrders(t, sn, dir, parse(t, q, false), fmt.Sprintf("needle %d, %s", i, q), options...)
		if i%50 == 0 || i%8 == 0 && slices.Contains(conditions, q) {
			sameCounts(t, sn, dir, parse(t, q, false), fmt.Sprintf("counts of needle %d, %s", i, q), options...)
			sameCounts(t, sn, dir, new(query.Query), fmt.Sprintf("counts of all, %d", i), options...)
		}
		if len(got.ids) > 0 {
			found++
		}
	}
	if found < needles/2 || short < needles/20 {
		t.Errorf("%d of %d needles were found, %d are short: the test does not test", found, needles, short)
	}
}

// change adds, runs again and clears tasks: sometimes more than are looked at beside the
// index.
func change(t testing.TB, rnd *rand.Rand, i int) func(tasks) {
	n := 1 + rnd.IntN(20)
	if i%300 == 299 {
		n = 300
	}
	return func(all tasks) {
		add(t, rnd, n)(all)
		for range n / 2 {
			delete(all, pick(rnd, all).UID)
			old := pick(rnd, all)
			again := randomRecord(t, rnd)
			again.UID, again.Executor = old.UID, old.Executor
			all[old.UID] = again
		}
	}
}

func pick(rnd *rand.Rand, all tasks) *record.Record {
	n := rnd.IntN(len(all))
	for _, r := range all {
		if n--; n < 0 {
			return r
		}
	}
	return nil
}

// TestManyUpdates has an index that is brought up to date often stay of few files, and
// find the same.
func TestManyUpdates(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	rnd := rand.New(rand.NewPCG(25, 26))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	for i := range 12 {
		sameInBothOrders(t, sn, dir, parse(t, "moto", false), fmt.Sprintf("update %d", i))
		sameInBothOrders(t, sn, dir, parse(t, "failed -left", false), fmt.Sprintf("update %d, conditions", i))
		sn = h.commit(change(t, rnd, 299))
	}
	if list := files(t, dir); len(list) > 30 {
		t.Errorf("after 12 updates the index is %v", list)
	}
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	dir := filepath.Join(t.TempDir(), "index")
	sn := new(history).commit(add(t, rnd, 500))
	for _, expr := range []string{`seed=(4[0-9])\b`, "(?i)moto", "Moto|日本", "^no", "left$", `(T1w\.)+nii`, "a{3}", `(?i)σίσ`, `"[^ -~]{4}"`, "-(a|b)"} {
		same(t, sn, dir, parse(t, expr, true), expr)
	}
}

// TestVisible has the text that stood on the screen be found, and not what made it
// coloured, wherever it is read from: the index, the records, an added run.
func TestVisible(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(29, 30))
	dir := filepath.Join(t.TempDir(), "index")
	r := randomRecord(t, rnd)
	r.Command, r.Data.Message, r.Data.Job, r.Data.Run = "c\x1b[33md", "m", nil, 1
	r.Data.Stdout, r.Data.Stderr = nil, nil
	r.Data.Output = []string{"\x1b[1m\x1b[31merror\x1b[0m\x1b[1m: mismatched types\x1b[0m\r\n", "10%\r100% ok\r\n", "\x1b]8;;https://example.org\x1b\\a link\x1b]8;;\x1b\\\n"}
	r.Data.Error = []string{"wa\x1b[35mrn\x1b(B\x1b[ming\n"}
	stored := randomRecord(t, rnd)
	stored.Command, stored.Data.Message = "c", "m"
	stored.Data.Job, stored.Data.Stderr, stored.Data.Run = nil, nil, 1
	stored.Data.Stdout = &record.Stream{Size: int64(len(streamOf(stored)))}
	h := new(history)
	h.commit(add(t, rnd, 60))
	before := h.commit(func(all tasks) { delete(all, r.UID) })
	same(t, before, dir, parse(t, "x", false), "first")
	now := h.commit(func(all tasks) { all[r.UID], all[stored.UID] = r, stored })
	for _, c := range []struct {
		query string
		regex bool
		field string
		line  int
		match string
	}{
		{query: `"error: mismatched"`, field: "output", line: 1, match: "error: mismatched"},
		{query: "output:warning"},
		{query: "error:warning", field: "error", line: 1, match: "warning"},
		{query: "output:31m"}, {query: "error:35m"}, {query: "output:example.org"}, {query: `output:"a link"`, field: "output", line: 4, match: "a link"},
		{query: "command:33md", field: "command", match: "33md"},
		{query: `output:"100% ok$"`, regex: true, field: "output", line: 3, match: "100% ok"},
		{query: `output:"^100% "`, regex: true, field: "output", line: 3, match: "100% "},
		{query: "output:\x1b", regex: true},
	} {
		for name, option := range map[string]func(*index.Search){
			"index": func(*index.Search) {}, "whole": func(s *index.Search) { s.Whole = true }, "earlier": func(s *index.Search) { s.AllRuns = true },
			"added": func(s *index.Search) { s.Added = []index.Run{{Record: r}} },
		} {
			for _, sn := range []snapshot{now, h.commit(func(tasks) {})} {
				what := fmt.Sprintf("%s, %s", c.query, name)
				q := parse(t, c.query, c.regex)
				if got := same(t, sn, dir, q, what, option); slices.Contains(got.ids, r.UID) != (c.field != "") {
					t.Errorf("%s: %v", what, got.lines)
				}
				s := &index.Search{Source: sn, Query: q, Limit: limit}
				option(s)
				for f := range s.Run(t.Context(), dir) {
					if f.ID != r.UID {
						continue
					}
					if hits := q.Hits(f.Doc); len(hits) != 1 || hits[0].Field != c.field || hits[0].Line != c.line || hits[0].Match != c.match {
						t.Errorf("%s: %+v", what, hits)
					}
				}
			}
		}
	}
	if got := same(t, now, dir, parse(t, "output:stored", false), "stored"); !slices.Contains(got.ids, stored.UID) {
		t.Errorf("a stream beside its record: %v", got.ids)
	}
}

// TestUnreadable has a record that cannot be read be told of by each search.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	dir := filepath.Join(t.TempDir(), "index")
	sn := new(history).commit(func(all tasks) {
		add(t, rnd, 50)(all)
		pick(rnd, all).Data.Status = "unreadable"
	})
	for _, q := range []string{"moto", "zzz", "q"} {
		if got := sameInBothOrders(t, sn, dir, parse(t, q, false), q); got.errs != 1 {
			t.Errorf("%s: %d errors", q, got.errs)
		}
	}
}

// TestLimit has an index of another limit made anew.
func TestLimit(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 8))
	dir := filepath.Join(t.TempDir(), "index")
	sn := new(history).commit(add(t, rnd, 200))
	for _, most := range []int64{10, 100_000, 0} {
		q := parse(t, "output:stored", false)
		scan := &index.Search{Source: sn, Query: q, Limit: most}
		s := &index.Search{Source: sn, Query: q, Limit: most, Warn: func(err error) { t.Error(err) }}
		got, want := collect(s, s.Run(t.Context(), dir)), collect(scan, scan.Scan(t.Context()))
		if !slices.Equal(got.ids, want.ids) || got.over != want.over {
			t.Errorf("limit %d: %v, want %v", most, got, want)
		}
	}
}

// files returns the files of the index, and fails when there is anything left beside it.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			list = append(list, path)
		}
		return err
	})
	if err != nil || len(list) < 3 {
		t.Fatalf("the index holds %v (%v)", list, err)
	}
	if rests, err := filepath.Glob(dir + ".*-*"); err != nil || len(rests) > 0 {
		t.Fatalf("beside the index there is %v (%v)", rests, err)
	}
	return list
}

// manifest returns the first lines of the index, which are others in each state of it; "" where
// there is no index.
func manifest(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "qme.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// damage changes a file, which is another one then: a search that runs may have mapped it.
func damage(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamage has an index that is damaged in any way be noticed and made again.
func TestDamage(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	rnd := rand.New(rand.NewPCG(9, 10))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	q := parse(t, "moto", false)
	same(t, sn, dir, q, "first")
	other := func(b, with []byte) []byte {
		part := b[rnd.IntN(len(b)):]
		for i := range min(len(with), len(part)) {
			part[i] ^= with[i]
		}
		return b
	}
	for i := range 25 {
		before := manifest(t, dir)
		list := files(t, dir)
		name := list[rnd.IntN(len(list))]
		what := ""
		switch i % 5 {
		case 0:
			what = "flipped byte in " + name
			damage(t, name, func(b []byte) []byte { return other(b, []byte{byte(1 + rnd.IntN(255))}) })
		case 1:
			what = "other bytes in " + name
			damage(t, name, func(b []byte) []byte { return other(b, bytes.Repeat([]byte{0x55}, 4096)) })
		case 2:
			what = "no " + name
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		case 3:
			what = "cut " + name
			if err := os.Truncate(name, rnd.Int64N(100)); err != nil {
				t.Fatal(err)
			}
		case 4:
			what = "a folder of another writer"
			if err := os.MkdirAll(filepath.Join(dir+".new-killed", "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			old := sn.name // and the commit of the index is gone
			sn = h.commit(func(tasks) {})
			h.forget(old)
		}
		same(t, sn, dir, q, what)
		if manifest(t, dir) == before {
			t.Errorf("%s: the index is the same", what)
		}
		same(t, sn, dir, q, "after "+what)
		files(t, dir)
	}
}

// TestDamagedText has text that is damaged, in a file of the same size and time, be noticed when
// it is looked at.
func TestDamagedText(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(21, 22))
	dir := filepath.Join(t.TempDir(), "index")
	sn := new(history).commit(add(t, rnd, 300))
	for _, text := range []string{"moto", "command:moto"} {
		q := parse(t, text, false)
		same(t, sn, dir, q, text)
		damaged := 0
		for _, name := range files(t, dir) {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, name, func(b []byte) []byte {
				damaged += bytes.Count(b, []byte("Moto"))
				return bytes.ReplaceAll(b, []byte("Moto"), []byte("Mxto"))
			})
			if err := os.Chtimes(name, time.Time{}, info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}
		if damaged == 0 {
			t.Fatal("the text is not in a file as it is: the test does not test")
		}
		same(t, sn, dir, q, "damaged, "+text)
		if manifest(t, dir) != "" {
			t.Errorf("%s: the index was not given up", text)
		}
	}
}

// TestTogether has searches of one home, at different commits, while others bring the
// index up to date: each finds what is in its commit.
func TestTogether(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(11, 12))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 200))
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 6 {
		own := rand.New(rand.NewPCG(13, uint64(i)))
		all.Go(func() {
			for range 6 {
				mu.Lock()
				if own.IntN(2) == 0 {
					sn = h.commit(add(t, rnd, 200))
				}
				mine := sn
				mu.Unlock()
				word := words[own.IntN(len(words))]
				same(t, mine, dir, parse(t, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word)+`"`, false), word)
			}
		})
	}
	all.Wait()
	files(t, dir)
}

// hold takes the turn to write the index.
func hold(t *testing.T, dir string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// TestWhileAnotherWrites has searches find all there is while another process has the
// turn to write: with what index there is, without waiting; and without one, for a while.
func TestWhileAnotherWrites(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(19, 20))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	q := parse(t, "moto", false)
	release := hold(t, dir)
	same(t, sn, dir, q, "without an index, without waiting")
	waited := false
	same(t, sn, dir, q, "until the other one ends", func(s *index.Search) {
		s.MaxWait, s.Waiting = time.Minute, func() {
			waited = true
			release()
		}
	})
	if !waited {
		t.Error("nothing has waited")
	}
	list := files(t, dir)
	defer hold(t, dir)()
	sn = h.commit(change(t, rnd, 299))
	same(t, sn, dir, q, "with an old index", func(s *index.Search) {
		s.MaxWait, s.Waiting = time.Minute, func() { t.Error("there is an index, and the search waits") }
	})
	if now := files(t, dir); !slices.Equal(now, list) {
		t.Errorf("the index is %v, was %v", now, list)
	}
}

// TestInterrupted ends a search while it indexes.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(15, 16))
	dir := filepath.Join(t.TempDir(), "index")
	sn := new(history).commit(add(t, rnd, 500))
	ctx, cancel := context.WithCancel(t.Context())
	s := &index.Search{Source: sn, Query: parse(t, "moto", false), Limit: limit, Progress: func(n int) {
		if n == 100 {
			cancel()
		}
	}}
	if got := collect(s, s.Run(ctx, dir)); got.errs != 1 || len(got.ids) > 0 {
		t.Errorf("%+v", got)
	}
	same(t, sn, dir, parse(t, "moto", false), "after it")
}

// TestNoIndex has a folder that cannot be written make a search slow, and not wrong.
func TestNoIndex(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(17, 18))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(file, "index")
	sn := new(history).commit(add(t, rnd, 100))
	warned := 0
	q := parse(t, "moto", false)
	s := &index.Search{Source: sn, Query: q, Limit: limit, Warn: func(error) { warned++ }}
	scan := &index.Search{Source: sn, Query: q, Limit: limit}
	if got, want := collect(s, s.Run(t.Context(), dir)), collect(scan, scan.Scan(t.Context())); !slices.Equal(got.ids, want.ids) || warned != 1 {
		t.Errorf("%v, want %v; %d warnings", got, want, warned)
	}
}

// A canceler ends a search when it reads records one by one.
type canceler struct {
	snapshot
	cancel func()
}

func (c canceler) Select([]record.ID, bool) iter.Seq[record.Result] {
	c.cancel()
	return func(func(record.Result) bool) {}
}

// TestInterruptedReading ends a search while it reads the index: it does not pass for one
// that has found nothing.
func TestInterruptedReading(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(23, 24))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	q := parse(t, "zzzz", false)
	same(t, h.commit(add(t, rnd, 100)), dir, q, "first")
	sn := h.commit(add(t, rnd, 1))
	ctx, cancel := context.WithCancel(t.Context())
	s := &index.Search{Source: canceler{sn, cancel}, Query: q, Limit: limit}
	if got := collect(s, s.Run(ctx, dir)); got.errs != 1 || len(got.ids) > 0 {
		t.Errorf("%+v", got)
	}
}
