package tasks

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/provenance"
	"qme/record"
	"qme/tasks/given"
)

// A Freshness says how a file is beside the run that made it.
type Freshness string

// The values of Freshness.
const (
	Fresh    Freshness = "fresh"   // nothing has changed that was looked at, or it does not matter
	Stale    Freshness = "stale"   // what it was made from has changed
	Gone     Freshness = "gone"    // the file is not there any more
	Edited   Freshness = "edited"  // the file is not as its run, or any other, has left it
	NotKnown Freshness = "unknown" // something that has to be compared was not recorded
)

// A Reason is one thing that is not as it was when a file was made.
type Reason struct {
	Since
	Run Version // whose input, script ... it is
	// Via are the files by which it reaches the file, from the one that was made of it to the one that the
	// file itself was made of; empty if it is of the run that made the file.
	Via []string
}

// A StaleFile says whether a file is as it would be made now.
type StaleFile struct {
	Path  string // absolute
	State Freshness
	// Run made the file last, as File. MovedFrom is the path to which it was written, if the file has been
	// moved or copied since.
	Run       Version
	File      record.File
	MovedFrom string
	// Reasons are what has changed, and behind that what is not known, at most MostReasons, the nearest first in
	// both; More is how many more there
	// are. For a state other than Stale they may have what is unknown alone.
	Reasons []Reason
	More    int
	// CutOff says that the run was cancelled or ended by a signal, so that the file may be a part of what it
	// should be. It is Stale then.
	CutOff bool
	// byHand says that the file was changed by hand, also if that was accepted.
	byHand bool
	// unsure says that it is not known whether it was changed by hand.
	unsure bool
	// Accepted is how many changes do not matter for the file; see Staleness.Accept.
	Accepted int
	Why      string // more on the state; usually empty
}

// MostReasons bounds StaleFile.Reasons.
const MostReasons = 2000

// Changes reports whether there is a reason to make the file again.
func (f *StaleFile) Changes() bool { return f.CutOff || slices.ContainsFunc(f.Reasons, Reason.changes) }

func (r Reason) changes() bool { return r.State != SinceUnknown }

// StaleOptions say what counts for Staleness.
type StaleOptions struct {
	Kinds []Kind // nil: KindInputs and KindScript
	// Agreed says that files may be looked at that records name whose commands were not given here.
	Agreed bool
	// Accept says that Accept will be called, which needs the hashes of all that has changed.
	Accept bool
}

// mostStaleRuns bounds the runs that are looked at for one answer.
const mostStaleRuns = 2000

// A Staleness finds out which files are not as they would be made now. What it has found it keeps: after a
// run it is to be made again. It is for one goroutine, and must be closed.
type Staleness struct {
	q        *Service
	o        StaleOptions
	links    *Links
	given    *given.Known
	accepted map[string]map[string]bool
	files    map[string]*StaleFile // nil for one that no run has made
	runs     map[string]*staleRun
	visiting map[string]bool
}

// A staleRun is a run with what is different now.
type staleRun struct {
	Version
	changes []Since // those as well that are accepted
	inputs  []staleInput
	foreign bool // it was not given here, and nothing was looked at
	blind   bool // it has recorded no input
	alone   bool // see scriptAlone
	cut     bool // not all of its inputs were followed
}

// A staleInput is an input of a run that another run has made.
type staleInput struct {
	path string
	file *StaleFile
}

// Staleness opens what is needed to answer. Checks do not count as runs.
func (q *Service) Staleness(ctx context.Context, o StaleOptions) (*Staleness, error) {
	if o.Kinds == nil {
		o.Kinds = []Kind{KindInputs, KindScript}
	}
	accepted, err := q.Accepted.All()
	if err != nil {
		q.Warn("which changes do not matter is not known: %v", err)
	}
	links, err := q.Links(ctx)
	if err != nil {
		return nil, err
	}
	return &Staleness{q: q, o: o, links: links, given: q.Given.Known(), accepted: accepted, files: map[string]*StaleFile{}, runs: map[string]*staleRun{}, visiting: map[string]bool{}}, nil
}

// Close closes the index.
func (s *Staleness) Close() error { return s.links.Close() }

// File says whether a file, by its absolute path, is as it would be made now. The error wraps
// record.ErrNotFound if no run is known to have made it.
func (s *Staleness) File(ctx context.Context, path string) (*StaleFile, error) {
	f, err := s.file(ctx, path, true)
	if err == nil && f == nil {
		return nil, fmt.Errorf("no run is recorded that made %s: %w", path, record.ErrNotFound)
	}
	return f, err
}

// file returns nil for a file that no run has made, and for one that is being looked at already.
func (s *Staleness) file(ctx context.Context, path string, moved bool) (*StaleFile, error) {
	if f, known := s.files[path]; known {
		return f, nil
	}
	if err := ctx.Err(); err != nil || s.visiting[path] {
		return nil, err
	}
	s.visiting[path] = true
	defer delete(s.visiting, path)
	f, err := s.maker(ctx, path, moved)
	if err != nil {
		return nil, err
	}
	if f != nil {
		if err := s.judge(ctx, f); err != nil {
			return nil, err
		}
	}
	s.files[path] = f
	return f, nil
}

// maker finds the run that made a file: the latest that wrote the path, or the one that wrote what is in it
// now. It sets the state as far as that follows from the file alone.
func (s *Staleness) maker(ctx context.Context, path string, moved bool) (*StaleFile, error) {
	wanted := Wanted{Paths: names(path)}
	wrote, err := s.links.Wrote(ctx, wanted, Choice{Limit: mostMakers})
	if err != nil {
		return nil, err
	}
	last, err := s.own(wrote)
	if err != nil {
		return nil, err
	}
	if last != nil {
		f := &StaleFile{Path: path, State: Fresh, Run: last.Run, File: last.File}
		switch now := s.look(ctx, path, last.Run.Record, last.File); now.Condition {
		case provenance.Missing:
			f.State = Gone
			return f, nil
		case provenance.Changed:
			f.State = Edited
		case provenance.Unknown:
			f.State, f.Why, f.unsure = NotKnown, now.Why, true
			return f, nil
		default:
			return f, nil
		}
		if same, err := s.madeAs(ctx, path, wanted.Paths, false); same != nil || err != nil {
			return same, err // an earlier run of it, brought back
		}
		return s.madeByCheck(ctx, f)
	}
	return s.madeAs(ctx, path, wanted.Paths, moved)
}

// madeByCheck returns a file as the work of a check that has left it, where it is not as any other run has
// left it, but as a check of the same task has: that was to leave its files in their places.
func (s *Staleness) madeByCheck(ctx context.Context, f *StaleFile) (*StaleFile, error) {
	n := 0
	for v, err := range s.q.Runs(string(f.Run.Record.UID)) {
		if err != nil {
			return nil, err
		}
		if n++; n > mostMakers {
			break
		}
		if v.Check == 0 || v.Record.Data.Check.Sandbox {
			continue
		}
		files, err := v.Files()
		if err != nil {
			return nil, err
		}
		if files == nil {
			continue
		}
		for _, out := range files.Out {
			if v.Record.Data.PathOf(out) == f.Run.Record.Data.PathOf(f.File) && out.SHA256 != "" && s.look(ctx, f.Path, v.Record, out).Condition == provenance.Same {
				return &StaleFile{Path: f.Path, State: Fresh, Run: v, File: out}, nil
			}
		}
	}
	return f, nil
}

// mostMakers is how many runs are looked at that may have made a file.
const mostMakers = 50

// names returns the names by which runs may know a file, the given one first.
func names(path string) []string {
	list := []string{path}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if real := filepath.Join(dir, filepath.Base(path)); err == nil && real != path {
		list = append(list, real)
	}
	return list
}

// own returns the first of some runs that this home has given; nil if there is none.
func (s *Staleness) own(list []Link) (*Link, error) {
	for i := range list {
		own, err := s.given.Has(list[i].Run.Record)
		if err != nil || own {
			return &list[i], err
		}
	}
	return nil, nil
}

// look compares a file with what a run has left of it.
func (s *Staleness) look(ctx context.Context, path string, run *record.Record, as record.File) provenance.Now {
	f := provenance.Recorded{Path: path, Size: as.Size, SHA256: as.SHA256, Partial: as.Partial, At: endOf(run)}
	return provenance.Again(ctx, []provenance.Recorded{f}, s.q.Settings.Hashes, false, sinceTime)[0]
}

// madeAs finds the run that made what is in a file now, under one of its names or, if it may have been
// moved, any name. A run of another home is not followed.
func (s *Staleness) madeAs(ctx context.Context, path string, paths []string, moved bool) (*StaleFile, error) {
	w, ok := s.content(ctx, path)
	if !ok {
		return nil, nil
	}
	w.Paths = paths
	made, err := s.links.Made(ctx, w, Choice{Limit: mostMakers})
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil // it has just been removed
	}
	all := slices.Clone(made)
	made = slices.DeleteFunc(made, func(l Link) bool {
		// What is older than the run cannot come from it.
		return !l.SamePath && (!moved || w.Size == 0 || info.ModTime().Before(l.Run.Record.Data.Timestamp.Time))
	})
	last, err := s.own(made)
	switch {
	case err != nil || len(made) == 0:
		return nil, err
	case last == nil:
		last = &made[0]
	}
	f := &StaleFile{Path: path, State: Fresh, Run: last.Run, File: last.File}
	if !last.SamePath {
		f.MovedFrom = last.Path()
		// If its task has made the same again, it is what that has made.
		if i := slices.IndexFunc(all, func(l Link) bool { return l.Run.Record.UID == last.Run.Record.UID && l.Path() == f.MovedFrom }); i >= 0 {
			f.Run, f.File = all[i].Run, all[i].File
		}
	}
	return f, nil
}

// content returns the hashes of a file as it is now; ok is false if it cannot be read.
func (s *Staleness) content(ctx context.Context, path string) (w Wanted, ok bool) {
	files := []provenance.Recorded{{Path: path, Size: -1}, {Path: path, Size: -1, Partial: true}}
	now := provenance.Again(ctx, files, s.q.Settings.Hashes, true, sinceTime)
	w.Size, w.SHA256, w.Ends = now[0].Size, now[0].SHA256, now[1].SHA256
	if w.Ends == w.SHA256 {
		w.Ends = ""
	}
	return w, w.SHA256+w.Ends != ""
}

// judge finds out whether what a file was made from has changed.
func (s *Staleness) judge(ctx context.Context, f *StaleFile) error {
	r, err := s.run(ctx, f.Run)
	switch {
	case err != nil:
		return err
	case r == nil:
		f.note(NotKnown, fmt.Sprintf("more than %d runs would have to be looked at", mostStaleRuns))
		return nil
	case r.foreign:
		d := f.Run.Record.Data
		f.note(NotKnown, fmt.Sprintf("it was made by a command that was not given in this home, by %s on %s", d.User, d.Host))
		return nil
	case f.Run.Record.Active():
		f.note(NotKnown, "the run that makes it has not ended")
	}
	accepted := s.accepted[runKey(f.Run)]
	f.byHand = f.State == Edited
	if (f.byHand || f.unsure) && len(accepted) > 0 && accepted[s.edited(ctx, f)] {
		f.State, f.Why, f.unsure = Fresh, "", false
		f.Accepted++
	}
	if d := f.Run.Record.Data; (d.Status == record.Cancelled || d.Signal != "") && !f.Run.Record.Active() {
		if f.CutOff = !accepted[cutOff(f.Run)]; !f.CutOff {
			f.Accepted++
		}
	}
	reasons := s.reasons(r)
	slices.SortStableFunc(reasons, func(a, b Reason) int {
		switch {
		case a.changes() == b.changes():
			return 0
		case a.changes():
			return -1
		}
		return 1
	})
	for _, reason := range reasons {
		switch {
		case accepted[reason.key()]:
			f.Accepted++
		case len(f.Reasons) == MostReasons:
			f.More++
		default:
			f.Reasons = append(f.Reasons, reason)
		}
	}
	switch {
	case f.CutOff:
		f.note(Stale, "the run that made it was cut off")
	case f.Changes():
		f.note(Stale, "")
	case len(f.Reasons) > 0:
		f.note(NotKnown, "")
	case r.cut:
		f.note(NotKnown, "it has more inputs than are followed")
	case r.blind && f.State == Fresh && f.Accepted == 0:
		f.Why = "though no input of its run was recorded"
	case r.alone && f.State == Fresh && f.Accepted == 0:
		f.Why = "though no input of its run but its script was recorded"
	}
	return nil
}

// scriptAlone reports whether no input of a run is known but its script, or a program of the user, which may
// have read anything.
func (s *Staleness) scriptAlone(v Version) bool {
	files, err := v.Files()
	declared := v.Record.Data.Declared
	if err != nil || files == nil || files.Trace != nil || declared != nil && len(declared.In) > 0 {
		return false
	}
	_, outs := filesByPath(files)
	look := &since{q: s.q, v: v, rec: v.Record, files: files}
	scripts, alone := look.scripts(), false
	for _, in := range files.In {
		if inPlace(outs, in) {
			continue
		}
		if path, _ := look.path(in.Path); look.kindOf(path, scripts) != KindScript {
			return false
		}
		alone = true
	}
	return alone
}

// note sets the state of a file that was fresh so far, or not known to be stale.
func (f *StaleFile) note(state Freshness, why string) {
	if f.State == Fresh || f.State == NotKnown && state == Stale {
		f.State = state
	}
	if f.Why == "" {
		f.Why = why
	}
}

// reasons returns what has changed for a run: of itself, and by its inputs. Each is there once, with the
// shortest way.
func (s *Staleness) reasons(r *staleRun) (list []Reason) {
	for _, one := range r.changes {
		list = append(list, Reason{Since: one, Run: r.Version})
	}
	seen := map[string]bool{}
	var further []Reason
	for _, in := range r.inputs {
		for _, reason := range in.file.Reasons {
			reason.Via = append(slices.Clone(reason.Via), in.path)
			further = append(further, reason)
		}
	}
	slices.SortStableFunc(further, func(a, b Reason) int { return len(a.Via) - len(b.Via) })
	for _, reason := range further {
		if key := reason.key(); !seen[key] {
			seen[key] = true
			list = append(list, reason)
		}
	}
	return list
}

// run looks at a run and at what it was made from; nil if there are too many of them, or it is being looked
// at.
func (s *Staleness) run(ctx context.Context, v Version) (*staleRun, error) {
	key := runKey(v)
	if r, known := s.runs[key]; known {
		return r, nil
	}
	if len(s.runs) == mostStaleRuns {
		return nil, nil
	}
	own, err := s.given.Has(v.Record)
	if err != nil {
		return nil, err
	}
	r := &staleRun{Version: v, foreign: !own && !s.o.Agreed}
	s.runs[key] = r // with what it has by now, for a run that leads back to it
	if r.foreign {
		return r, nil
	}
	all, err := s.q.Since(ctx, v, SinceOptions{Kinds: s.o.Kinds, Agreed: true, Hash: s.o.Accept || len(s.accepted) > 0})
	if err != nil {
		return nil, err
	}
	r.changes = slices.DeleteFunc(all, Since.itself)
	r.alone = len(r.changes) == 0 && s.scriptAlone(v)
	return r, s.follow(ctx, r)
}

// itself reports whether a change is no reason to make anything again, since it is in what the run itself
// makes: how that file is now is said of the file.
func (s Since) itself() bool { return s.Own || s.Remade }

// mostFollowed is how many inputs of a run are looked up.
const mostFollowed = 20_000

// follow looks at the runs that made the inputs of a run.
func (s *Staleness) follow(ctx context.Context, r *staleRun) error {
	files, err := r.Files()
	if r.blind = files == nil || len(files.In) == 0; r.blind || err != nil {
		return err
	}
	_, outs := filesByPath(files)
	for i, in := range files.In {
		if _, own := outs[in.Path]; own {
			continue
		}
		if i == mostFollowed {
			r.cut = true
			break
		}
		path := r.Record.Data.PathOf(in)
		f, err := s.file(ctx, path, false)
		if err != nil {
			return err
		}
		if f != nil && !record.SameRun(f.Run.Record, r.Record) {
			r.inputs = append(r.inputs, staleInput{path, f})
		}
	}
	return nil
}

// runKey names a run in HOME/accepted.
func runKey(v Version) string {
	if id := v.Record.Data.RunID; id != "" {
		return string(id)
	}
	return fmt.Sprintf("%s/%d", v.Record.UID, v.Record.Data.Timestamp.UnixMicro())
}

// key stands for a change as it is now.
func (r Reason) key() string {
	return given.Change(runKey(r.Run), string(r.Kind), r.Name, r.State, r.Now, strings.Join(r.Files, "\x00"))
}

// edited stands for the present content of a file that was changed by hand.
func (s *Staleness) edited(ctx context.Context, f *StaleFile) string {
	w, _ := s.content(ctx, f.Path)
	return given.Change(runKey(f.Run), string(Edited), f.Path, w.SHA256+w.Ends)
}

// cutOff stands for the end of a run that was cut off.
func cutOff(v Version) string { return given.Change(runKey(v), "cut off") }

// SameContent reports whether two files are there and have the same content, as far as their hashes tell.
func (s *Staleness) SameContent(ctx context.Context, a, b string) bool {
	was, ok := s.content(ctx, a)
	now, there := s.content(ctx, b)
	return ok && there && was.Content == now.Content
}

// Accept notes in the home that what has changed for a file does not matter for it: all that is different
// now, until it changes further, or the file is made again. It returns how many changes that are. The files
// must come from a Staleness with StaleOptions.Accept. The error is a record.ErrConflict if there is nothing that could be accepted.
func (s *Staleness) Accept(ctx context.Context, f *StaleFile) (int, error) {
	switch {
	case f.State == Gone:
		return 0, fmt.Errorf("%s is not there: %w", f.Path, record.ErrConflict)
	case f.State == NotKnown && len(f.Reasons) == 0 && !f.unsure:
		return 0, fmt.Errorf("%s: %s: %w", f.Path, f.Why, record.ErrConflict)
	case f.More > 0:
		return 0, fmt.Errorf("%s: more than %d changes cannot be accepted: %w", f.Path, MostReasons, record.ErrConflict)
	}
	var changes []string
	if f.State == Edited || f.unsure {
		changes = append(changes, s.edited(ctx, f))
	}
	if f.CutOff {
		changes = append(changes, cutOff(f.Run))
	}
	for _, reason := range f.Reasons {
		changes = append(changes, reason.key())
	}
	return len(changes), s.q.Accepted.Put(record.Now().Time, runKey(f.Run), changes)
}

// Below returns the files below a directory that runs have made, by their paths, sorted, those that are gone
// among them. more says that there are runs that were not looked at, because there are too many.
func (s *Staleness) Below(ctx context.Context, dir string) (paths []string, more bool, err error) {
	all := map[string]bool{}
	for _, dir := range names(dir) {
		below := strings.TrimSuffix(dir, "/") + "/"
		found, _, err := s.q.outputsNamed(ctx, below, SearchOptions{AllRuns: true, Sort: SortCreated, begun: true})
		if err != nil {
			return nil, false, err
		}
		runs := 0
		for f := range found.Found {
			if runs++; len(all) >= mostBelow || runs > mostStaleRuns {
				more = true
				break
			}
			switch {
			case f.Err != nil && f.ID == "":
				return nil, false, f.Err
			case f.Err != nil:
				s.q.Warn("%v", f.Err)
				continue
			case f.Record.Data.Files == nil:
				continue
			}
			more = more || f.Record.Data.Files.LeftOut > 0
			for _, out := range f.Record.Data.Files.Out {
				if path := f.Record.Data.PathOf(out); strings.HasPrefix(path, below) {
					all[path] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(all)), more, ctx.Err()
}

// mostBelow is how many files are looked at below a directory.
const mostBelow = 1000
