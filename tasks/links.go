package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"qme/index"
	"qme/provenance"
	"qme/record"
)

// Links answers which runs made and used files, by what their records say of contents and paths. Checks, and
// runs of tasks that were cleared, do not count. It is for one goroutine, and must be closed.
type Links struct {
	q     *Service
	view  *View
	index *index.Links
	tasks map[record.ID]*taskWalk
	held  int // of tasks, as mostHeld counts
	lost  []error
}

// A Match says what a file of a run has in common with a file that is asked for.
type Match int

// The matches, the best first.
const (
	SameContent Match = iota // the hash of the whole content is the same
	SameEnds                 // the size, and the hash of the first and the last MiB, are the same
	SameUnknown              // there are no two hashes that could be compared
	Different                // the content is another one
)

// A Content is what is known of the content of a file: its size, and hashes of all of it and of its ends, "" if
// they are not known.
type Content provenance.Content

// ContentOf returns what a record says of the content of a file.
func ContentOf(f record.File) Content {
	if f.Partial {
		return Content{Size: f.Size, Ends: f.SHA256}
	}
	return Content{Size: f.Size, SHA256: f.SHA256}
}

// Compare compares the content with that of a file of a run.
func (c Content) Compare(f record.File) Match {
	of, match := ContentOf(f), SameUnknown
	switch {
	case c.Size < 0:
		return SameUnknown
	case c.Size != of.Size:
		return Different
	case c.SHA256 != "" && of.SHA256 != "":
		match = SameContent
	case c.Ends != "" && of.Ends != "":
		match = SameEnds
	}
	if match == SameContent && c.SHA256 != of.SHA256 || match == SameEnds && c.Ends != of.Ends {
		return Different
	}
	return match
}

// A Wanted is a file for which the runs are looked for that made or used it.
type Wanted struct {
	Content
	// Paths are the names by which it is known, absolute, the usual one first.
	Paths []string
}

// WantedOf returns what a run says of one of its files.
func WantedOf(rec *record.Record, f record.File) Wanted {
	return Wanted{ContentOf(f), []string{rec.Data.PathOf(f)}}
}

// A Link is a run that made or used a file.
type Link struct {
	Run      Version
	Latest   bool        // whether it is the latest run of its task
	File     record.File // as the run lists it, with the grade of evidence
	Match    Match       // of the content
	SamePath bool        // whether its path was one of those that are asked for
}

// Path returns the absolute path of the file in the run.
func (l Link) Path() string { return l.Run.Record.Data.PathOf(l.File) }

// NamedOnly reports whether nothing but a word of the command line says that the run has to do with the
// file.
func (l Link) NamedOnly() bool { return NamedOnly(l.File) }

// NamedOnly reports whether a run lists a file for no other reason than a word of its command line.
func NamedOnly(f record.File) bool { return f.By == record.ByWord || f.By == record.ByOption }

// Links opens the index for questions about files, which it makes and brings up to date where that is due.
func (q *Service) Links(ctx context.Context) (*Links, error) {
	v, err := q.searched(false)
	if err != nil {
		return nil, err
	}
	s := q.searchOf(v)
	s.Added = slices.DeleteFunc(s.Added, func(r index.Run) bool { return r.Record.IsCheck() }) // the task's run stands
	found, err := s.Links(ctx, filepath.Join(q.Home, indexName))
	if err != nil {
		return nil, err
	}
	return &Links{q: q, view: v, index: found, tasks: map[record.ID]*taskWalk{}}, nil
}

// Short returns the short name of a task.
func (l *Links) Short(id record.ID) (string, error) { return l.view.Short(id, 0) }

// Close closes the index.
func (l *Links) Close() error {
	l.forget()
	return l.index.Close()
}

// Unreadable returns the errors of what cannot be read, as far as the questions came by it. It is valid
// before Close.
func (l *Links) Unreadable() []error { return slices.Concat(l.index.Unreadable, l.lost) }

// Gaps returns of how many runs not all files are known here: the whole lists are in other homes, or
// damaged.
func (l *Links) Gaps(ctx context.Context) (int, error) { return l.index.Gaps(ctx) }

// A Choice says which runs are wanted of those that made or used a file.
type Choice struct {
	Before time.Time // began before; zero: at any time
	Task   record.ID // runs of this task; "": of any
	Limit  int       // at most so many; 0: all
}

// Made returns runs that wrote this content: first those that wrote it to one of the paths, then the latest.
// Without a hash of it there are none.
func (l *Links) Made(ctx context.Context, w Wanted, c Choice) ([]Link, error) {
	return l.byContent(ctx, outputs, w, c)
}

// Used returns runs that had this content among their inputs, in the order of Made.
func (l *Links) Used(ctx context.Context, w Wanted, c Choice) ([]Link, error) {
	return l.byContent(ctx, inputs, w, c)
}

// Wrote returns runs that wrote one of the paths, whatever the content was, the latest first.
func (l *Links) Wrote(ctx context.Context, w Wanted, c Choice) ([]Link, error) {
	return l.byPath(ctx, outputs, w, c)
}

// Read returns runs that had one of the paths among their inputs, in the order of Wrote.
func (l *Links) Read(ctx context.Context, w Wanted, c Choice) ([]Link, error) {
	return l.byPath(ctx, inputs, w, c)
}

// CountMade returns how many runs wrote this content, as far as the index tells.
func (l *Links) CountMade(ctx context.Context, c Content) (int, error) {
	return l.count(ctx, c.sums(), index.MadeContent)
}

// CountWrote returns how many runs wrote one of some paths of one file, as far as the index tells.
func (l *Links) CountWrote(ctx context.Context, paths []string) (int, error) {
	return l.count(ctx, paths, index.WrotePath)
}

func (l *Links) count(ctx context.Context, of []string, key func(string) index.LinkKey) (n int, err error) {
	for _, one := range of {
		some, err := l.index.Count(ctx, key(one))
		if err != nil {
			return 0, err
		}
		n += some
	}
	return n, nil
}

// Source returns the run from which a run had one of its inputs: of those that began before it the latest
// that wrote this content, preferably to this path. Where no hashes can be compared it is the latest that
// wrote the path, which is weaker evidence (SameUnknown). It is nil if no run is known to have made the
// input, as when it was changed otherwise after the last run that wrote it. An empty file has a source only
// by its path.
func (l *Links) Source(ctx context.Context, of Version, in record.File) (*Link, error) {
	w, c := WantedOf(of.Record, in), Choice{Before: of.Record.Data.Timestamp.Time, Limit: 1}
	list, err := l.Made(ctx, w, c)
	if err != nil || len(list) > 0 && (list[0].SamePath || in.Size > 0) {
		return firstOf(list), err
	}
	list, err = l.Wrote(ctx, w, c)
	if err != nil || len(list) > 0 && list[0].Match == SameUnknown {
		return firstOf(list), err
	}
	return nil, nil
}

// remade reports whether a run has made a file again that an earlier run of the same work had made: the same
// command or script in the same directory. Where nothing but a word of the command line names the file, it is
// listed as an input because it was there, and following it would say that each figure comes from the one
// before it. What another work has made, the run may well have changed in its place.
func remade(run Version, outs map[string]record.File, in record.File, source Link) bool {
	a, b := run.Record, source.Run.Record
	switch {
	case !inPlace(outs, in) || !source.SamePath || a.Data.PWD != b.Data.PWD:
		return false
	case a.UID == b.UID || a.Command == b.Command:
		return true
	}
	scripts := ownScripts(b)
	return slices.ContainsFunc(ownScripts(a), func(path string) bool { return slices.Contains(scripts, path) })
}

// inPlace reports whether a run has written an input of which nothing but a word of the command line tells.
func inPlace(outs map[string]record.File, in record.File) bool {
	_, out := outs[in.Path]
	return out && NamedOnly(in)
}

// ownScripts returns the scripts, and the programs of one's own, that a recorded command names. No file is
// looked at.
func ownScripts(rec *record.Record) []string {
	list := provenance.ScriptNames(provenance.Command{Dir: rec.Data.PWD, Argv: rec.Data.Cmd})
	return slices.DeleteFunc(list, func(path string) bool { return provenance.Installed(path, nil) })
}

func firstOf(list []Link) *Link {
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

// A side is one of the lists of the files of a run.
type side struct {
	content, path func(string) index.LinkKey
	of            func(*record.Files) []record.File
}

var (
	outputs = side{index.MadeContent, index.WrotePath, func(f *record.Files) []record.File { return f.Out }}
	inputs  = side{index.UsedContent, index.ReadPath, func(f *record.Files) []record.File { return f.In }}
)

// sums returns the hashes by which the content is found.
func (c Content) sums() []string {
	return slices.DeleteFunc([]string{c.SHA256, c.Ends}, func(sum string) bool { return !record.IsSHA256(sum) })
}

func (l *Links) byContent(ctx context.Context, s side, w Wanted, c Choice) ([]Link, error) {
	same := func(k Link) bool { return k.Match == SameContent || k.Match == SameEnds }
	var here, all []Link
	for _, sum := range w.sums() {
		for _, path := range w.Paths {
			some, err := l.find(ctx, s, w, c, func(k Link) bool { return same(k) && k.SamePath }, s.content(sum), s.path(path))
			if err != nil {
				return nil, err
			}
			here = append(here, some...)
		}
		if c.Limit > 0 && len(here) >= c.Limit {
			continue
		}
		some, err := l.find(ctx, s, w, c, same, s.content(sum))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return limited(append(latestFirst(here), latestFirst(all)...), c.Limit), nil
}

func (l *Links) byPath(ctx context.Context, s side, w Wanted, c Choice) (list []Link, err error) {
	for _, path := range w.Paths {
		some, err := l.find(ctx, s, w, c, func(k Link) bool { return k.SamePath }, s.path(path))
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return limited(latestFirst(list), c.Limit), nil
}

// latestFirst sorts links by when their runs began.
func latestFirst(list []Link) []Link {
	slices.SortStableFunc(list, func(a, b Link) int {
		return b.Run.Record.Data.Timestamp.Compare(a.Run.Record.Data.Timestamp.Time)
	})
	return list
}

// limited returns each run once, and at most some of them.
func limited(list []Link, most int) []Link {
	seen := map[record.RunKey]bool{}
	list = slices.DeleteFunc(list, func(k Link) bool {
		key := k.Run.Record.RunKey()
		was := seen[key]
		seen[key] = true
		return was
	})
	if most > 0 && len(list) > most {
		list = list[:most]
	}
	return list
}

// spareHits is how many runs more than wanted are asked for at first: not all have what the index says.
const spareHits = 4

// find returns the runs with some keys of which a file is good, by their records.
func (l *Links) find(ctx context.Context, s side, w Wanted, c Choice, good func(Link) bool, keys ...index.LinkKey) ([]Link, error) {
	q := index.Question{Keys: keys, Before: c.Before, Task: c.Task}
	if c.Limit > 0 {
		q.Limit = c.Limit + spareHits
	}
	for {
		hits, err := l.index.Find(ctx, q)
		if err != nil {
			return nil, err
		}
		var list []Link
		for _, h := range hits {
			if found := l.verified(h, s, w, c, good); found != nil {
				list = append(list, *found)
			}
			if c.Limit > 0 && len(list) == c.Limit {
				return list, nil
			}
		}
		if q.Limit == 0 || len(hits) < q.Limit {
			return list, ctx.Err()
		}
		q.Limit *= 8
	}
}

// verified returns the best file of a run that is good, nil if there is none.
func (l *Links) verified(h index.Linked, s side, w Wanted, c Choice, good func(Link) bool) *Link {
	v, latest, files := l.run(h)
	if files == nil || !c.Before.IsZero() && !v.Record.Data.Timestamp.Before(c.Before) {
		return nil
	}
	var best *Link
	for _, f := range s.of(files) {
		k := Link{v, latest, f, w.Compare(f), slices.Contains(w.Paths, v.Record.Data.PathOf(f))}
		if good(k) && (best == nil || better(k, *best)) {
			best = &k
		}
	}
	return best
}

// better reports whether a says more than b of the same run.
func better(a, b Link) bool {
	if a.Match != b.Match {
		return a.Match < b.Match
	}
	return a.SamePath && !b.SamePath
}

// A taskWalk reads the runs of one task, as far as they were asked for.
type taskWalk struct {
	next func() (Version, error, bool)
	stop func()
	runs map[string]*heldRun // by index.Linked.Run
}

// A heldRun is a run with all its files, which are read when they are first asked for.
type heldRun struct {
	Version
	latest bool
	files  *record.Files
	read   bool
}

const (
	// mostHeld bounds what is held of runs: the number of files, where a run counts as runFiles.
	mostHeld = 200_000
	runFiles = 100
)

// run returns a run that the index has found. It has no files if it is not there any more, or cannot be
// read.
func (l *Links) run(h index.Linked) (v Version, latest bool, files *record.Files) {
	if l.held > mostHeld {
		l.forget()
	}
	w := l.tasks[h.ID]
	if w == nil {
		w = &taskWalk{runs: map[string]*heldRun{}}
		w.next, w.stop = iter.Pull2(l.q.Runs(string(h.ID)))
		l.tasks[h.ID] = w
	}
	r, err := l.until(w, h.Run)
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		l.lose(err)
	}
	if r == nil {
		return Version{}, false, nil
	}
	if !r.read {
		r.read, r.files = true, l.filesOf(r.Version)
		l.held += len(r.files.In) + len(r.files.Out)
	}
	return r.Version, r.latest, r.files
}

// lose keeps the error of what cannot be read, once.
func (l *Links) lose(err error) {
	if !slices.ContainsFunc(l.lost, func(known error) bool { return known.Error() == err.Error() }) {
		l.lost = append(l.lost, err)
	}
}

// linkFiles returns all files of a run that are known here. Further inputs are what came through a pipe, without
// a name, if its hash was recorded, and the beginnings of files to which the run has appended, without a hash,
// and with an offset, by which they are known.
// With an error these are the files that the record lists.
func (v Version) linkFiles() (*record.Files, error) {
	files, err := v.Files()
	if err != nil {
		files = v.Record.Data.Files
		err = fmt.Errorf("the files of %s: %w", v.Name(), err)
	}
	all := new(record.Files)
	if files != nil {
		*all = *files
	}
	if in := v.Record.Data.Stdin; in != nil && in.SHA256 != "" {
		all.In = append([]record.File{{Size: in.Size, SHA256: in.SHA256, By: record.ByStdio}}, all.In...)
	}
	all.In = append(slices.Clip(all.In), appendedTo(all)...)
	return all, err
}

// appendedTo returns what was in those files before to which a run has appended, if they are not listed as inputs.
func appendedTo(files *record.Files) (list []record.File) {
	for _, out := range files.Out {
		if out.Offset > 0 && !slices.ContainsFunc(files.In, func(in record.File) bool { return in.Path == out.Path }) {
			list = append(list, record.File{Path: out.Path, Size: out.Offset, Offset: out.Offset, By: out.By})
		}
	}
	return list
}

// until reads the runs of a task up to one, nil if there is none.
func (l *Links) until(w *taskWalk, run string) (*heldRun, error) {
	for w.runs[run] == nil {
		v, err, ok := w.next()
		if !ok || err != nil {
			return nil, err
		}
		l.held += runFiles
		if v.Record.IsCheck() {
			continue
		}
		w.runs[cmp.Or(string(v.Record.Data.RunID), strconv.Itoa(v.Record.Data.Run))] = &heldRun{Version: v, latest: len(w.runs) == 0}
	}
	return w.runs[run], nil
}

// forget lets go what is held.
func (l *Links) forget() {
	for _, w := range l.tasks {
		w.stop()
	}
	l.tasks, l.held = map[record.ID]*taskWalk{}, 0
}
