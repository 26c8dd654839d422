package index

import (
	"cmp"
	"context"
	"slices"
	"strings"

	bleveindex "github.com/blevesearch/bleve_index_api"

	"qme/index/query"
	"qme/record"
)

// What is done at most to find out which words were meant: how many words of a query are
// looked at, and how many of those that are similar to each are looked for in the runs.
const (
	maxMeant = 5
	maxTried = 8
)

// Mean returns which of the first words of a query are in no run, each with the word that was
// probably meant: the nearest one of those that the search would find, and of these the one of
// the most runs. Of what was cleared it says nothing. It is called after Run, and uses the index in the folder dir as it is; where there is
// none that can be used, nothing is returned. The error is that of ctx.
func (s *Search) Mean(ctx context.Context, dir string, words []query.Word) ([]query.Missing, error) {
	if len(words) == 0 || s.Cleared {
		return nil, ctx.Err()
	}
	o, err := open(dir, s.Limit)
	if err != nil {
		return nil, ctx.Err() // Run has said why
	}
	defer func() { _ = o.close() }() // it was only read
	changed, present, err := s.changes(ctx, o.Commit)
	if err != nil || len(changed) > overlay {
		return nil, ctx.Err()
	}
	m := meaning{s: s, o: o, changed: changed}
	for _, w := range words[:min(len(words), maxMeant)] {
		m.words = append(m.words, &meant{Word: w, similar: map[string]*similar{}})
	}
	list, err := m.missing(ctx, present)
	if err != nil {
		return nil, ctx.Err()
	}
	return list, ctx.Err()
}

// Names returns the names of the parameters or the metrics of the runs in the index in the folder dir, as it is: kind is one of
// query.Named. Where there is none that can be used, nothing is returned. The error is that of ctx.
func (s *Search) Names(ctx context.Context, dir, kind string) (names []string, err error) {
	o, err := open(dir, s.Limit)
	if err != nil {
		return nil, ctx.Err() // Run has said why
	}
	defer func() { _ = o.close() }() // it was only read
	r, err := newReader(s, o, nil, nil)
	if err == nil {
		err = guard(func() error {
			return r.eachTerm(kind, "", func(e *bleveindex.DictEntry) bool {
				if !strings.Contains(e.Term, "=") { // those with one have a value, too
					names = append(names, strings.Clone(e.Term))
				}
				return ctx.Err() == nil
			})
		})
	}
	if err != nil {
		names = nil
	}
	return names, ctx.Err()
}

// A meaning looks for words in an open index, and in the tasks that it does not have as they
// are.
type meaning struct {
	s       *Search
	o       *opened
	changed []record.ID
	words   []*meant
}

// A meant is a word that may be in no run.
type meant struct {
	query.Word
	found   bool
	similar map[string]*similar
}

// A similar is a word that is similar to another one.
type similar struct {
	word    string
	edits   int
	runs    int
	covered bool // a run that the search covers is known to have it
}

func (m *meaning) missing(ctx context.Context, present []record.ID) ([]query.Missing, error) {
	if err := m.look(ctx, present); err != nil {
		return nil, err
	}
	var list []query.Missing
	for _, w := range m.words {
		if w.found {
			continue
		}
		found, err := m.has(ctx, w.Word, true)
		if err != nil {
			return nil, err
		}
		if found {
			continue
		}
		near, err := m.nearest(ctx, w)
		if err != nil {
			return nil, err
		}
		list = append(list, query.Missing{Word: w.Word, Near: query.Small(near)})
	}
	return list, nil
}

// search returns one for another query.
func (m *meaning) search(q *query.Query, allRuns bool) *Search {
	return &Search{Source: m.s.Source, Query: q, Added: m.s.Added, Order: m.s.Order, Limit: m.s.Limit, AllRuns: allRuns}
}

// look looks for the words, and for similar ones, in the tasks that the index does not have as
// they are. A run that cannot be read has none.
func (m *meaning) look(ctx context.Context, present []record.ID) error {
	s := m.search(new(query.Query), true)
	a := &answer{s: s, o: m.o, others: present}
	for f := range s.withEarlier(a.looked()) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case f.ID == "":
			return f.Err
		case f.Err != nil:
			continue
		}
		for _, w := range m.words {
			w.found = w.found || w.Query().Match(f.Doc)
			if f.Number > 0 && !m.s.AllRuns || w.found {
				continue
			}
			w.Similar(f.Doc, func(word string, edits int) {
				one := w.add(word, edits)
				one.runs++
				one.covered = true
			})
		}
	}
	return nil
}

func (w *meant) add(word string, edits int) *similar {
	if w.similar[word] == nil {
		w.similar[word] = &similar{word: word, edits: edits}
	}
	return w.similar[word]
}

// has reports whether a run of the index has the word.
func (m *meaning) has(ctx context.Context, w query.Word, allRuns bool) (bool, error) {
	s := m.search(w.Query(), allRuns)
	r, err := newReader(s, m.o, m.changed, nil)
	if err != nil {
		return false, err
	}
	for f := range s.match(ctx, r.found(ctx)) {
		if f.ID == "" {
			return false, f.Err
		}
		if f.Err == nil {
			return true, nil
		}
	}
	return false, ctx.Err()
}

// nearest returns the word that was probably meant, folded, "" where there is none.
func (m *meaning) nearest(ctx context.Context, w *meant) (string, error) {
	for edits := 1; edits <= w.MostEdits(); edits++ {
		if err := m.addIndexed(ctx, w, edits); err != nil {
			return "", err
		}
		var list []*similar
		for _, one := range w.similar {
			if one.edits == edits {
				list = append(list, one)
			}
		}
		slices.SortFunc(list, func(a, b *similar) int {
			return cmp.Or(cmp.Compare(b.runs, a.runs), strings.Compare(a.word, b.word))
		})
		for _, one := range list[:min(len(list), maxTried)] {
			if one.covered {
				return one.word, nil
			}
			covered, err := m.has(ctx, query.Word{Text: one.word, Field: w.Field}, m.s.AllRuns)
			if covered || err != nil {
				return one.word, err
			}
		}
	}
	return "", nil
}

// addIndexed adds the words of the index that differ by so many edits. Of more than maxTerms words
// it adds the first ones.
func (m *meaning) addIndexed(ctx context.Context, w *meant, edits int) error {
	r, err := newReader(m.search(new(query.Query), true), m.o, nil, nil)
	if err != nil {
		return err
	}
	return guard(func() error {
		all, err := r.values(query.Leaf{Field: query.WordsField, Prefix: w.Text, Fuzzy: edits})
		if err != nil {
			return err
		}
		for _, word := range all {
			if word == w.Text {
				continue // in a text of another field, or of a run that is gone
			}
			one := w.add(word, edits)
			if one.edits < edits {
				continue
			}
			// The dictionary of similar words does not count runs.
			runs, err := r.runsWithWord(ctx, word)
			if err != nil {
				return err
			}
			one.runs += runs
		}
		return nil
	})
}

// runsWithWord returns about how many runs of the tasks that are there have a word.
func (r *reader) runsWithWord(ctx context.Context, word string) (int, error) {
	if r.cleared == 0 {
		n, err := r.runsWith(ctx, query.WordsField, word)
		return int(n), err
	}
	list, err := r.documents(ctx, r.s.scope(), r.oneOf(query.WordsField, word))
	return len(list), err
}
