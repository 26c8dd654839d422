package index_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"qme/index"
	"qme/record"
)

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// withFiles gives records some files each, of few contents and paths.
func withFiles(rnd *rand.Rand, all tasks) {
	for _, r := range all {
		if r.Data.Files != nil {
			continue
		}
		if r.Data.Files = new(record.Files); rnd.IntN(5) == 0 {
			continue
		}
		file := func() record.File {
			f := record.File{Path: fmt.Sprintf("f%d", rnd.IntN(6)), SHA256: sumOf(strconv.Itoa(rnd.IntN(6)))}
			if rnd.IntN(4) == 0 {
				f.Path = "/data/" + f.Path
			}
			if rnd.IntN(4) == 0 {
				f.SHA256 = ""
			}
			return f
		}
		r.Data.PWD = fmt.Sprintf("/home/%d", rnd.IntN(2))
		r.Data.Files = &record.Files{In: []record.File{file(), file()}, Out: []record.File{file()}}
		if rnd.IntN(6) == 0 {
			r.Data.Check = &record.Check{}
		}
	}
}

// A linkCase is a question, and which runs answer to it.
type linkCase struct {
	index.Question
	is func(*record.Record) bool
}

func linkCases(rnd *rand.Rand, all tasks) (list []linkCase) {
	has := func(files []record.File, is func(record.File) bool) bool { return slices.ContainsFunc(files, is) }
	for i := range 6 {
		sum, path := sumOf(strconv.Itoa(i)), fmt.Sprintf("/home/%d/f%d", rnd.IntN(2), rnd.IntN(6))
		content := func(f record.File) bool { return f.SHA256 == sum }
		made := func(r *record.Record) bool { return has(r.Data.Files.Out, content) }
		used := func(r *record.Record) bool { return has(r.Data.Files.In, content) }
		wrote := func(r *record.Record) bool {
			return has(r.Data.Files.Out, func(f record.File) bool { return r.Data.PathOf(f) == path })
		}
		read := func(r *record.Record) bool {
			return has(r.Data.Files.In, func(f record.File) bool { return r.Data.PathOf(f) == path })
		}
		at := time.Now().Add(-time.Duration(rnd.IntN(100)) * time.Hour)
		task := pick(rnd, all).UID
		keys := func(k ...index.LinkKey) []index.LinkKey { return k }
		list = append(list,
			linkCase{index.Question{Keys: keys(index.MadeContent(sum))}, made},
			linkCase{index.Question{Keys: keys(index.UsedContent(sum)), Limit: 3}, used},
			linkCase{index.Question{Keys: keys(index.WrotePath(path)), Before: at}, wrote},
			linkCase{index.Question{Keys: keys(index.ReadPath(path)), Before: at, Limit: 2}, read},
			linkCase{index.Question{Keys: keys(index.MadeContent(sum), index.WrotePath(path))}, func(r *record.Record) bool { return made(r) && wrote(r) }},
			linkCase{index.Question{Keys: keys(index.UsedContent(sum)), Task: task}, func(r *record.Record) bool { return used(r) && r.UID == task }},
		)
	}
	return list
}

// runsOf returns all runs that are not checks, with the names by which links are compared.
func runsOf(all tasks, added []index.Run) (runs []*record.Record) {
	all = maps.Clone(all)
	for _, r := range added {
		all[r.Record.UID] = r.Record
	}
	for _, r := range all {
		runs = append(runs, r)
		for run := range earlier(r) {
			runs = append(runs, run.Record)
		}
	}
	return slices.DeleteFunc(runs, func(r *record.Record) bool {
		return r.Data.Files == nil || r.IsCheck() || r.Data.Status == "unreadable"
	})
}

func linkName(id record.ID, run string) string { return string(id) + " " + run }

// compareLinks asks Links, and looks at each run.
func compareLinks(t *testing.T, rnd *rand.Rand, sn snapshot, added []index.Run, dir string) {
	t.Helper()
	s := &index.Search{Source: sn, Limit: limit, Added: added, Warn: func(error) {}}
	l, err := s.Links(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	runs := runsOf(sn.all, added)
	for i, c := range linkCases(rnd, sn.all) {
		want := map[string]*record.Record{}
		for _, r := range runs {
			name := linkName(r.UID, strconv.Itoa(r.Data.Run))
			if c.is(r) && (c.Before.IsZero() || !r.Data.Timestamp.Truncate(time.Millisecond).After(c.Before)) && (c.Task == "" || c.Task == r.UID) {
				want[name] = r
			}
		}
		got, err := l.Find(t.Context(), c.Question)
		if err != nil {
			t.Fatal(err)
		}
		expected := len(want)
		if c.Limit > 0 {
			expected = min(expected, c.Limit)
		}
		if len(got) != expected {
			t.Errorf("question %d: %d runs, want %d", i, len(got), expected)
		}
		for _, one := range got {
			if want[linkName(one.ID, one.Run)] == nil {
				t.Errorf("question %d: run %s of %s has not these files", i, one.Run, one.ID)
			}
		}
		if c.Limit == 0 && len(c.Keys) == 1 && c.Before.IsZero() && c.Task == "" {
			if n, err := l.Count(t.Context(), c.Keys[0]); err != nil || n != len(want) {
				t.Errorf("question %d: counted %d, %v, want %d", i, n, err, len(want))
			}
		}
	}
}

// TestLinks finds the runs of a file by content and path, as looking at each run does: with a new index,
// with one that is behind or that was brought up to date, with runs that are not committed, and without.
func TestLinks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(18, 2))
	h, dir := &history{}, filepath.Join(t.TempDir(), "index")
	sn := h.commit(add(t, rnd, 120))
	withFiles(rnd, sn.all)
	compareLinks(t, rnd, sn, nil, dir)
	// Some tasks come, some go, and some are run again: too few for an update.
	sn = h.commit(func(all tasks) {
		add(t, rnd, 20)(all)
		for range 5 {
			delete(all, pick(rnd, all).UID)
		}
		for range 5 {
			again := *pick(rnd, all)
			again.Data.Run++
			again.Data.Files = nil
			all[again.UID] = &again
		}
		withFiles(rnd, all)
	})
	compareLinks(t, rnd, sn, nil, dir)
	added := addedRuns(t, rnd, sn.all)
	uncommitted := tasks{}
	for _, r := range added {
		uncommitted[r.Record.UID] = r.Record
	}
	withFiles(rnd, uncommitted)
	compareLinks(t, rnd, sn, added, dir)
	// So many that the index is brought up to date.
	sn = h.commit(func(all tasks) { add(t, rnd, 300)(all); withFiles(rnd, all) })
	compareLinks(t, rnd, sn, added, dir)
	// Where there can be no index, each run is looked at.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	compareLinks(t, rnd, sn, added, filepath.Join(file, "index"))
}

// TestManyLinks finds the latest of more runs than are looked at at once.
func TestManyLinks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(18, 3))
	h, dir := &history{}, filepath.Join(t.TempDir(), "index")
	empty := record.File{Path: "empty", SHA256: sumOf("")}
	sn := h.commit(func(all tasks) {
		add(t, rnd, 1500)(all)
		for _, r := range all {
			r.Data.Run, r.Data.Files = 1, &record.Files{Out: []record.File{empty}}
		}
	})
	l, err := (&index.Search{Source: sn, Limit: limit, Warn: func(err error) { t.Error(err) }}).Links(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // its error is told by TestLinks
	byTime := slices.SortedFunc(maps.Values(sn.all), func(a, b *record.Record) int { return b.Data.Timestamp.Compare(a.Data.Timestamp.Time) })
	for _, from := range []int{0, 700, 1495} {
		q := index.Question{Keys: []index.LinkKey{index.MadeContent(empty.SHA256)}, Limit: 7}
		if from > 0 {
			q.Before = byTime[from].Data.Timestamp.Time
		}
		got, err := l.Find(t.Context(), q)
		if err != nil || len(got) < min(7, 1500-from) || len(got) > 7 { // others began in the same millisecond
			t.Fatalf("from %d: %d runs, %v", from, len(got), err)
		}
		// The index knows when a run began to the millisecond, and by the id where that is near.
		oldest := byTime[min(from+20, 1499)].Data.Timestamp.Time
		for _, one := range got {
			if at := sn.all[one.ID].Data.Timestamp.Time; at.Before(oldest) || from > 0 && at.After(q.Before.Add(time.Second)) {
				t.Errorf("from %d: a run of %v, which is not between %v and %v", from, at, oldest, q.Before)
			}
		}
	}
	if n, err := l.Count(t.Context(), index.MadeContent(empty.SHA256)); err != nil || n != 1500 {
		t.Errorf("%d runs, %v", n, err)
	}
}

// TestLongLists has files that the record does not list found, and lists that are not there counted.
func TestLongLists(t *testing.T) {
	rnd := rand.New(rand.NewPCG(18, 4))
	h, dir := &history{}, filepath.Join(t.TempDir(), "index")
	long := record.File{Path: "long", SHA256: sumOf("long")}
	lists := map[record.ID]func() (*record.Files, error){}
	sn := h.commit(add(t, rnd, 3))
	n := 0
	for id, r := range sn.all {
		r.Data.Run = 1
		r.Data.Files = &record.Files{LeftOut: 1}
		r.Data.Parts = record.Parts{record.PartFiles: record.NewPart([]byte("x"))}
		lists[id] = func() (*record.Files, error) { return &record.Files{Out: []record.File{long}}, nil }
		if n++; n > 1 {
			lists[id] = func() (*record.Files, error) { return nil, record.ErrPartElsewhere }
		}
	}
	s := &index.Search{Source: listed{sn, lists}, Limit: limit, Warn: func(err error) { t.Error(err) }}
	look := func(what string, made, missing int) {
		t.Helper()
		l, err := s.Links(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Find(t.Context(), index.Question{Keys: []index.LinkKey{index.MadeContent(long.SHA256)}})
		gaps, gerr := l.Gaps(t.Context())
		if err := errors.Join(err, gerr, l.Close()); err != nil || len(got) != made || gaps != missing {
			t.Errorf("%s: %v, %d gaps, %v", what, got, gaps, err)
		}
	}
	look("new", 1, 2)

	// A run with a list so long that the index is brought up to date for it.
	sn = h.commit(func(all tasks) {
		r := randomRecord(t, rnd)
		r.Data.Run, r.Data.Files, r.Data.Parts = 1, &record.Files{LeftOut: 30_000}, record.Parts{record.PartFiles: record.NewPart([]byte("x"))}
		lists[r.UID], all[r.UID] = func() (*record.Files, error) { return &record.Files{Out: []record.File{long}}, nil }, r
	})
	s = &index.Search{Source: listed{sn, lists}, Limit: limit, Warn: func(err error) { t.Error(err) }}
	look("with a longer list", 2, 2)
	if got := index.CommitOf(dir, limit); got != sn.Commit() {
		t.Errorf("the index is that of %s", got)
	}
}

// A listed source has whole lists of files.
type listed struct {
	snapshot
	lists map[record.ID]func() (*record.Files, error)
}

func (l listed) Files(rec *record.Record) (*record.Files, error) { return l.lists[rec.UID]() }
