package index

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/search"

	"qme/index/query"
	"qme/record"
)

// linkField has a key for each content and each path of the files of a run, also of those that its record
// does not list. So the run that made a file is found by one value of one field.
const linkField = "link"

// A LinkKey says how a run may have to do with a file. It has the beginning of a hash, so a run that has it
// is still to be looked at.
type LinkKey string

// keyDigits is how many digits of a hash a LinkKey has.
const keyDigits = 9

func keyOf(kind, sha256 string) LinkKey { return LinkKey(kind + sha256[:keyDigits]) }

// The kinds of a LinkKey, which it begins with.
const (
	madeKind  = "m" // the content of an output
	wroteKind = "w" // the path of an output
	usedKind  = "u" // the content of an input
	readKind  = "r" // the path of an input
	gapKind   = "gap"
)

// MadeContent is the key of runs with an output of this SHA-256, which may be that of parts of the file.
func MadeContent(sha256 string) LinkKey { return keyOf(madeKind, sha256) }

// UsedContent is MadeContent for inputs.
func UsedContent(sha256 string) LinkKey { return keyOf(usedKind, sha256) }

// WrotePath is the key of runs with an output of this absolute path.
func WrotePath(path string) LinkKey { return keyOf(wroteKind, pathSum(path)) }

// ReadPath is WrotePath for inputs.
func ReadPath(path string) LinkKey { return keyOf(readKind, pathSum(path)) }

func pathSum(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:])
}

// linkGap is the key of runs of which not all files are known here: their lists are in another home, or
// damaged.
const linkGap LinkKey = gapKind

// mostLinked is how many files of a list have keys. That is more than qme lists; a pulled record can have a
// longer one.
const mostLinked = 25_000

// eachLink yields the keys of a run, some of them more than once. A list that cannot be read is a gap, and
// then what the record has of it counts. A check has none.
func eachLink(r *record.Record, files func() (*record.Files, error), yield func(LinkKey)) {
	if r.IsCheck() {
		return
	}
	if s := r.Data.Stdin; s != nil && record.IsSHA256(s.SHA256) {
		yield(UsedContent(s.SHA256))
	}
	list := r.Data.Files
	if _, long := r.Data.Parts[record.PartFiles]; long && files != nil {
		if whole, err := files(); err == nil {
			list = whole
		} else {
			yield(linkGap)
		}
	}
	if list == nil {
		return
	}
	each := func(files []record.File, content, path func(string) LinkKey) {
		if len(files) > mostLinked {
			yield(linkGap)
		}
		for _, f := range files[:min(len(files), mostLinked)] {
			if record.IsSHA256(f.SHA256) {
				yield(content(f.SHA256))
			}
			yield(path(r.Data.PathOf(f)))
		}
	}
	for _, f := range list.Out[:min(len(list.Out), mostLinked)] {
		if f.Offset > 0 { // what was there before is an input
			yield(ReadPath(r.Data.PathOf(f)))
		}
	}
	each(list.In, UsedContent, ReadPath)
	each(list.Out, MadeContent, WrotePath)
}

// A Linked is a run that may have made or used a file.
type Linked struct {
	ID record.ID
	// Run is the run's data.run_id, or its data.run if it has none.
	Run string

	place string
}

// Before reports whether the run began before a time, as far as the index knows: to the millisecond, in
// which it may have begun on either side.
func (l Linked) Before(at time.Time) bool { return !record.ClockTime(l.place).After(at) }

// Links answers which runs made and used files, as often as it is asked. It is for one goroutine, and must
// be closed.
type Links struct {
	s *Search
	a *answer // nil: there is no index, and looked has all runs
	// looked are the runs that the index does not have as they are, by their keys.
	looked map[LinkKey][]Linked
	// Unreadable are the errors of tasks that cannot be read.
	Unreadable []error
}

// Links opens the index in the folder dir, which it makes and brings up to date where that is due, for
// questions about files. Query, Order and Whole of the search do not count; all runs do that were not
// cleared. Where the index cannot be used, each record is read, once.
func (s *Search) Links(ctx context.Context, dir string) (*Links, error) {
	s.Query, s.Order, s.AllRuns, s.Whole = new(query.Query), nil, true, true
	l := &Links{s: s, looked: map[LinkKey][]Linked{}}
	a, err := s.lookUp(ctx, dir)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		if !errors.Is(err, errOther) {
			s.Warn(fmt.Errorf("the search index cannot be used, so each record is looked at: %w", withAdvice(err)))
		}
		all := s.all(s.Source, s.Source.Records(record.Range{}))
		for f := range s.withEarlier(s.overlaid(all, s.added())) {
			err = l.look(ctx, f)
			if err != nil {
				return nil, err
			}
		}
		return l, nil
	}
	l.a = a
	return l, l.lookAtOthers(ctx, dir)
}

// mostOutside is how many files that records do not list are read of runs that the index does not have. With
// more of them it is brought up to date before.
const mostOutside = 20_000

// lookAtOthers takes up the runs that the index does not have. With an error the index is closed.
func (l *Links) lookAtOthers(ctx context.Context, dir string) error {
	others, outside := slices.Collect(l.a.looked()), 0
	for _, f := range others {
		if f.Record != nil && f.Record.Data.Files != nil {
			outside += f.Record.Data.Files.LeftOut
		}
	}
	if outside > mostOutside && !l.s.eager {
		l.s.eager = true // once
		err := l.a.close()
		if err == nil {
			l.a, err = l.s.lookUp(ctx, dir)
		}
		if err != nil {
			return err
		}
		others = slices.Collect(l.a.looked())
	}
	for f := range l.s.withEarlier(slices.Values(others)) {
		if err := l.look(ctx, f); err != nil {
			return errors.Join(err, l.a.close())
		}
	}
	return nil
}

// look takes up a run that the index does not have.
func (l *Links) look(ctx context.Context, f Found) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case f.Err != nil && f.ID == "":
		return f.Err
	case f.Err != nil:
		l.Unreadable = append(l.Unreadable, f.Err)
		return nil
	}
	seen := map[LinkKey]bool{}
	eachLink(f.Record, f.files, func(k LinkKey) {
		if !seen[k] {
			seen[k] = true
			l.looked[k] = append(l.looked[k], linked(f.place))
		}
	})
	return nil
}

func linked(d docID) Linked { return Linked{d.id, d.run, d.place} }

// Close closes the index.
func (l *Links) Close() error {
	if l.a == nil {
		return nil
	}
	return l.a.close()
}

// Gaps returns how many runs have lists of files that are not in this home, or are damaged. Of those the
// files that their records list are known.
func (l *Links) Gaps(ctx context.Context) (int, error) { return l.Count(ctx, linkGap) }

// A Question asks Links for runs.
type Question struct {
	Keys   []LinkKey // all of which they have; at least one
	Before time.Time // when they began; zero: at any time
	Task   record.ID // of which they are; "": of any
	Limit  int       // the latest ones; 0: all
}

// admits reports whether a run with the keys is asked for.
func (q Question) admits(one Linked) bool {
	return (q.Task == "" || q.Task == one.ID) && (q.Before.IsZero() || one.Before(q.Before))
}

// Find returns the runs that a question asks for, latest first.
func (l *Links) Find(ctx context.Context, q Question) ([]Linked, error) {
	list := l.inLooked(q)
	if l.a != nil {
		indexed, err := l.inIndex(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, indexed...)
	}
	slices.SortFunc(list, func(a, b Linked) int {
		return cmp.Or(strings.Compare(b.place, a.place), strings.Compare(string(a.ID), string(b.ID)), strings.Compare(b.Run, a.Run))
	})
	if q.Limit > 0 && len(list) > q.Limit {
		list = list[:q.Limit]
	}
	return list, nil
}

// inLooked is Find among the runs that the index does not have, all of them in no order.
func (l *Links) inLooked(q Question) []Linked {
	return slices.DeleteFunc(slices.Clone(l.looked[q.Keys[0]]), func(one Linked) bool {
		return !q.admits(one) || slices.ContainsFunc(q.Keys[1:], func(k LinkKey) bool { return !slices.Contains(l.looked[k], one) })
	})
}

// inIndex is Find among the runs that the index has, in no order. Of many it looks at the days one after
// the other, the last ones first.
func (l *Links) inIndex(ctx context.Context, q Question) (list []Linked, err error) {
	r := l.a.reader
	windows, err := l.days(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, days := range windows {
		conditions := l.conditions(q.Keys...)
		if q.Task != "" {
			conditions = append(conditions, r.oneOf(taskField, taskKey(q.Task)))
		}
		if days != nil {
			conditions = append(conditions, r.oneOf(placeField, days...))
		}
		var hits []hit
		if err := l.guarded(func() (err error) {
			hits, err = r.documents(ctx, l.s.tasks(), conditions...)
			return err
		}); err != nil {
			return nil, err
		}
		for _, h := range hits {
			if one := linked(h.docID); q.admits(one) {
				list = append(list, one)
			}
		}
		if q.Limit > 0 && len(list) >= q.Limit {
			break
		}
	}
	return list, ctx.Err()
}

// days returns the windows of Search.windows for a question; of few runs there is one without days.
func (l *Links) days(ctx context.Context, q Question) ([][]string, error) {
	r := l.a.reader
	fewest := uint64(math.MaxUint64)
	err := l.guarded(func() error {
		for _, k := range q.Keys {
			n, err := r.runsWith(ctx, linkField, string(k))
			if err != nil {
				return err
			}
			fewest = min(fewest, n)
		}
		return nil
	})
	if err != nil || q.Limit == 0 || q.Task != "" || fewest <= windowRuns {
		return [][]string{nil}, err
	}
	last := "~"
	if !q.Before.IsZero() {
		last = q.Before.UTC().Format(time.DateOnly)
	}
	var list [][]string
	err = l.guarded(func() (err error) {
		list, err = r.windowsOf(placeField, last)
		return err
	})
	return list, err
}

func (l *Links) conditions(keys ...LinkKey) []condition {
	list := make([]condition, len(keys))
	for i, k := range keys {
		list[i] = l.a.reader.oneOf(linkField, string(k))
	}
	return list
}

// Count returns how many runs have a key.
func (l *Links) Count(ctx context.Context, key LinkKey) (int, error) {
	n := len(l.looked[key])
	if l.a == nil {
		return n, nil
	}
	r := l.a.reader
	err := l.guarded(func() error {
		all, err := r.count(ctx, l.s.tasks(), l.conditions(key)...)
		n += all
		if err != nil || len(r.skip) == 0 {
			return err
		}
		tasks := make([]string, 0, len(r.skip))
		for id := range r.skip {
			tasks = append(tasks, taskKey(id))
		}
		old, err := r.count(ctx, l.s.tasks(), r.oneOf(linkField, string(key)), r.oneOf(taskField, tasks...))
		n -= old
		return err
	})
	return n, err
}

// guarded is guard for questions. An index that turns out to be damaged is made again by the next one.
func (l *Links) guarded(fn func() error) error {
	err := guard(fn)
	if err != nil {
		return l.s.brokenIndex(err).Err
	}
	return nil
}

// count returns how many runs of a scope fulfil all conditions, also of tasks that are not as the index has
// them.
func (r *reader) count(ctx context.Context, sc scope, conditions ...condition) (n int, err error) {
	s, err := r.searcher(ctx, sc, conditions...)
	if err != nil {
		return 0, err
	}
	found := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0), IndexReader: r.o.reader}
	for {
		m, err := s.Next(found)
		if m == nil || err != nil {
			return n, cmp.Or(err, s.Close())
		}
		n++
		found.DocumentMatchPool.Put(m)
	}
}
