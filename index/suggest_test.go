package index_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"qme/index"
	"qme/index/query"
	"qme/record"
)

// nearestByScan returns by how many edits the nearest words of the runs that a search covers
// differ from another one, and these words in small letters.
func nearestByScan(t *testing.T, s *index.Search, w query.Word) (least int, near map[string]bool) {
	t.Helper()
	all := &index.Search{Source: s.Source, Query: new(query.Query), Added: s.Added, Limit: limit, AllRuns: s.AllRuns}
	for f := range all.Scan(t.Context()) {
		if f.Err != nil {
			continue
		}
		w.Similar(f.Doc, func(word string, edits int) {
			if near == nil || edits < least {
				least, near = edits, map[string]bool{}
			}
			if edits == least {
				near[query.Small(word)] = true
			}
		})
	}
	return least, near
}

// partOfText reports whether a word is no farther than least, 0 for any, and is found: the index
// may have it of a run that the search does not cover, where another one has it within a text.
func partOfText(t *testing.T, s *index.Search, w query.Word, near string, least int) bool {
	t.Helper()
	isNear := false
	w.Field = ""
	w.Similar(&query.Doc{Record: &record.Record{Command: near}}, func(_ string, edits int) { isNear = least == 0 || edits <= least })
	w.Field, w.Text = s.Query.Words()[0].Field, query.Fold(near)
	scan := &index.Search{Source: s.Source, Query: w.Query(), Added: s.Added, Limit: limit, AllRuns: s.AllRuns}
	return isNear && len(collect(scan, scan.Scan(t.Context())).ids) > 0
}

// TestMean has words that are in no run found, and the nearest ones, as by a look at each record.
func TestMean(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(37, 38))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 100))
	with, without := 0, 0
	for i := range 150 {
		if i%25 == 24 {
			sn = h.commit(change(t, rnd, i))
		}
		s := &index.Search{Source: sn, Limit: limit, AllRuns: i%3 == 0, Warn: func(err error) { t.Error(err) }}
		if i%4 == 0 {
			s.Added = addedRuns(t, rnd, sn.all)
		}
		text := []string{"", "", "output:", "command:", "error:"}[rnd.IntN(5)] + misspelt(rnd, pick(rnd, sn.all))
		s.Query = parse(t, text, false)
		words := s.Query.Words()
		if len(words) == 0 {
			continue // a word such as "failed"
		}
		collect(s, s.Run(t.Context(), dir))
		got, err := s.Mean(t.Context(), dir, words)
		if err != nil {
			t.Fatal(err)
		}
		scan := &index.Search{Source: sn, Query: s.Query, Added: s.Added, Limit: limit, AllRuns: true}
		what := fmt.Sprintf("%s, search %d", text, i)
		if found := len(collect(scan, scan.Scan(t.Context())).ids) > 0; found != (len(got) == 0) {
			t.Fatalf("%s: is it found? %v; said to be missing: %v", what, found, got)
		} else if found {
			continue
		}
		edits, near := nearestByScan(t, s, words[0])
		if !near[got[0].Near] && (near != nil || got[0].Near != "") && !partOfText(t, s, words[0], got[0].Near, edits) {
			t.Fatalf("%s: the nearest word is %q, want one of %v, with %d edits", what, got[0].Near, near, edits)
		}
		if near == nil {
			without++
		} else {
			with++
		}
	}
	if with < 10 || without < 10 {
		t.Errorf("%d words with a near one, and %d without: the test does not test", with, without)
	}
}

// TestMeanWithoutIndex has nothing offered, and nothing made, where there is no index, and the
// end of the search reported.
func TestMeanWithoutIndex(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rand.New(rand.NewPCG(39, 40)), 10))
	s := &index.Search{Source: sn, Query: parse(t, "mtoo", false), Limit: limit}
	if got, err := s.Mean(t.Context(), dir, s.Query.Words()); len(got) > 0 || err != nil {
		t.Errorf("without an index: %v, %v", got, err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("an index has been made")
	}
	collect(s, s.Run(t.Context(), dir))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := s.Mean(ctx, dir, s.Query.Words()); len(got) > 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("when it was ended: %v, %v", got, err)
	}
}
