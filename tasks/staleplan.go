package tasks

import (
	"context"
	"fmt"
	"slices"

	"qme/record"
)

// A Step is a run that is to be made again, so that files are as they would be made now.
type Step struct {
	Run   Version
	Files []string // that are wanted of it, by their absolute paths
	// Copies are files that are wanted and have been moved or copied since: the run makes those in Files, and
	// leaves these as they are.
	Copies []*StaleFile
	// Reasons are those of the run itself: what has changed of what it was made from and with.
	Reasons []Reason
	After   []int // the steps before it that make what it was made from, by their indices
	// Edited are the files that it would replace although they were changed by hand, also if that was
	// accepted.
	Edited []string
}

// A StepError says why a step cannot be made as a rerun. It is a record.ErrConflict.
type StepError struct {
	Run  Version
	File string // that the rerun would not make, or does not find
	// Redirected says that the file was the standard output of the command, to which the caller had
	// redirected it; otherwise it is an input that is not there, and that no run is known to have made.
	Redirected bool
}

// Error implements error.
func (e *StepError) Error() string {
	if e.Redirected {
		return fmt.Sprintf("%s was the output of task %s by a redirection outside of its command, which a rerun does not repeat", e.File, e.Run.Record.UID)
	}
	return fmt.Sprintf("task %s was made from %s, which is not there any more, and no run is known to have made it", e.Run.Record.UID, e.File)
}

// Is makes the error a record.ErrConflict.
func (e *StepError) Is(target error) bool { return target == record.ErrConflict }

// A stalePlan are the steps for some files, each after those that it needs.
type stalePlan struct {
	s     *Staleness
	steps []Step
	at    map[string]int // the step of a run; -1 while it is looked at
}

// Plan returns what has to be run again for some files, in order; nothing for those that are fresh, or of
// which that is not known. The error is a StepError if a step cannot be made.
func (s *Staleness) Plan(ctx context.Context, files []*StaleFile) ([]Step, error) {
	p := &stalePlan{s: s, at: map[string]int{}}
	for _, f := range files {
		if f.State != Fresh && f.State != NotKnown || f.Changes() {
			if _, err := p.add(ctx, f); err != nil {
				return nil, err
			}
		}
	}
	return p.steps, nil
}

// add adds the steps for a file, and returns the last one; -1 for one that leads back to itself.
func (p *stalePlan) add(ctx context.Context, f *StaleFile) (int, error) {
	key := runKey(f.Run)
	if i, known := p.at[key]; known {
		if i >= 0 {
			p.steps[i].want(f)
		}
		return i, p.redirected(f)
	}
	if err := p.redirected(f); err != nil {
		return -1, err
	}
	p.at[key] = -1
	step := Step{Run: f.Run}
	step.want(f)
	r, accepted := p.s.runs[key], p.s.accepted[key]
	made := map[string]bool{}
	for _, in := range r.inputs {
		made[in.path] = true
		if !in.file.needed(accepted) {
			continue
		}
		i, err := p.add(ctx, in.file)
		if err != nil {
			return -1, err
		}
		if i >= 0 && !slices.Contains(step.After, i) {
			step.After = append(step.After, i)
		}
	}
	for _, one := range r.changes {
		reason := Reason{Since: one, Run: f.Run}
		switch {
		case accepted[reason.key()] || !reason.changes():
			continue
		case one.State == SinceMissing && !made[one.Path]:
			return -1, &StepError{Run: f.Run, File: one.Name}
		}
		step.Reasons = append(step.Reasons, reason)
	}
	var err error
	if step.Edited, err = p.s.editedBy(ctx, f.Run); err != nil {
		return -1, err
	}
	p.steps = append(p.steps, step)
	p.at[key] = len(p.steps) - 1
	return p.at[key], nil
}

// want adds a file to those that are wanted of a step.
func (s *Step) want(f *StaleFile) {
	path := f.Path
	if f.MovedFrom != "" {
		path = f.MovedFrom
		s.Copies = append(s.Copies, f)
	}
	if !slices.Contains(s.Files, path) {
		s.Files = append(s.Files, path)
	}
}

// needed reports whether an input has to be made again for a run for which some changes do not matter.
func (f *StaleFile) needed(accepted map[string]bool) bool {
	return f.State == Gone || f.CutOff || slices.ContainsFunc(f.Reasons, func(r Reason) bool { return r.changes() && !accepted[r.key()] })
}

func (p *stalePlan) redirected(f *StaleFile) error {
	if f.File.By == record.ByStdio {
		return &StepError{Run: f.Run, File: f.Path, Redirected: true}
	}
	return nil
}

// editedBy returns the files that a run has made and that were changed by hand since.
func (s *Staleness) editedBy(ctx context.Context, v Version) (paths []string, err error) {
	files, err := v.Files()
	if err != nil || files == nil {
		return nil, err
	}
	for _, out := range files.Out[:min(len(files.Out), mostFollowed)] {
		if out.By == record.ByStdio {
			continue
		}
		f, err := s.file(ctx, v.Record.Data.PathOf(out), false)
		if err != nil {
			return nil, err
		}
		if f != nil && f.byHand && record.SameRun(f.Run.Record, v.Record) {
			paths = append(paths, f.Path)
		}
	}
	return paths, nil
}

// StillNeeded reports whether a step has to be made after those before it were made, or not needed: not if
// its inputs came out as they were.
func (s *Staleness) StillNeeded(ctx context.Context, step Step) (bool, error) {
	for _, path := range step.Files {
		if f := s.files[path]; f != nil && (f.CutOff || f.State != Fresh && f.State != Stale) {
			return true, nil
		}
	}
	now, err := s.q.Since(ctx, step.Run, SinceOptions{Kinds: s.o.Kinds, Agreed: s.o.Agreed, Hash: len(s.accepted) > 0})
	if err != nil {
		return false, err
	}
	accepted := s.accepted[runKey(step.Run)]
	return slices.ContainsFunc(now, func(one Since) bool {
		reason := Reason{Since: one, Run: step.Run}
		return !one.itself() && reason.changes() && !accepted[reason.key()]
	}), nil
}
