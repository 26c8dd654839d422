// Package provenance finds out which files a command uses and makes, without tracing it and
// without any part in its streams: from the words of the command line, from its redirections, and
// from the files that the caller has opened for it. docs/format.md has the result, data.files.
package provenance

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"qme/internal/intime"
	"qme/internal/panics"
	"qme/record"
)

const (
	// beginning is how long a command waits at most until the files that it names are looked at.
	// On a file server that does not respond they are not recorded.
	beginning = 300 * time.Millisecond
	// mostNamed is how many words and redirections are looked at.
	mostNamed = 4096
)

// A Command is what is to be run, and how.
type Command struct {
	Dir  string // its working directory
	Argv []string
	Env  []string // NAME=value
	// Declared are the files that the user declares for it.
	Declared Declared
	// Traced says that Watch.Trace will be called.
	Traced bool
	// Stdin, Stdout and Stderr are the caller's; nil for none.
	Stdin, Stdout, Stderr *os.File
}

// Limits bound the work for one run.
type Limits struct {
	File int64         // bytes of a file that are hashed; of a larger one the first and the last MiB
	Run  int64         // bytes that are hashed of all files, likewise
	Wait time.Duration // for hashes after the end of the command
	// All says that the files that a command names are hashed whole, however large they are.
	All bool

	// Cache is a file that keeps hashes for further runs; "" for none. It can be deleted at any
	// time.
	Cache string
}

// A Watch knows the files of a run. Its methods are for one goroutine. A nil Watch knows none.
type Watch struct {
	files   []*file
	limits  Limits
	hashing *hashing
	leftOut int
	named   map[string]bool // by path; nil before NamesFile

	dir      string
	declared Declared
	matching Matching
	begun    time.Time
	blind    bool    // not all files were seen that are declared as outputs
	outs     []*file // those that End has listed as outputs, in that order
	traced   *Traced // what Trace has given; nil for nothing

	written func(func() Name) bool // see Share; nil for none
}

// Begin looks at the files that a command names, and at those that are declared, before it starts.
// It opens none of them, and returns nil if there are none, or they cannot be looked at in time. With
// declared files it returns a Watch in any case.
func Begin(c Command, l Limits) *Watch {
	begun := time.Now()
	fresh := func() *Watch { return &Watch{limits: l, dir: c.Dir, declared: c.Declared, begun: begun} }
	w, _ := intime.Within(beginning, func() *Watch {
		w := fresh()
		// What was typed must never keep the command from running.
		if err := panics.Catch(func() error { w.look(c, begun.Add(beginning)); return nil }); err != nil {
			return nil
		}
		return w
	})
	switch {
	case w == nil && !c.Declared.empty():
		w = fresh()
		w.blind = true
		w.matching.cutBy(c.Declared.In, c.Declared.Out)
	case w == nil && c.Traced:
		w = fresh()
	case w != nil && c.Declared.empty() && !c.Traced && len(w.files)+w.leftOut == 0:
		return nil
	}
	return w
}

// look finds the files that a command names.
func (w *Watch) look(c Command, deadline time.Time) {
	w.blind = true // until they were looked for
	w.matching.cutBy(c.Declared.In, c.Declared.Out)
	known := fileSet{same: map[inode]*file{}, named: map[string]*file{}}
	words, leftOut := named(c, deadline)
	for _, m := range append(opened(c), words...) {
		if time.Now().After(deadline) {
			return // nothing waits for it any more
		}
		known.add(m, c.Dir)
	}
	w.declare(&known, c.Declared, w.begun.Add(finding))
	sortDeclared(known.list)
	w.files, w.leftOut = known.list, known.leftOut+leftOut
}

// Matching returns what was not found by the patterns of declared files. After End it is that of
// the outputs as well.
func (w *Watch) Matching() Matching {
	if w == nil {
		return Matching{}
	}
	return w.matching
}

// Hash begins to hash the files that were there, in the background.
func (w *Watch) Hash() {
	if w == nil {
		return
	}
	w.hashing = newHashing(w.limits)
	for _, f := range w.files {
		if f.before != nil && !f.to {
			w.hashing.add(f.path, f.before)
		}
	}
}

// Named returns the files that were there before the command, without hashes, as an incomplete list;
// nil if there are none. The lists can be longer than those of a record.
func (w *Watch) Named() *record.Files {
	if w == nil {
		return nil
	}
	var all lists
	for _, f := range w.files {
		if f.before != nil && !f.to {
			all.in(f, w.hashing)
		}
	}
	all.Incomplete = true
	return all.files(w.leftOut)
}

// NamedHashed is Named with the hashes that are there at a time, for a command that does not start now.
func (w *Watch) NamedHashed(deadline time.Time) *record.Files {
	if w == nil {
		return nil
	}
	w.Hash()
	w.hashing.finish(deadline)
	return w.Named()
}

// NamesFile reports whether the command line, or a pattern of declared files, names a file that was there
// before the command, or a link to it.
func (w *Watch) NamesFile(path string) bool {
	if w == nil {
		return false
	}
	if w.named == nil {
		w.named = map[string]bool{}
		for _, f := range w.files {
			w.named[f.path] = true
			if real, err := filepath.EvalSymlinks(f.path); err == nil {
				w.named[real] = true
			}
		}
	}
	return w.named[path]
}

// End looks at the files again when the command has ended, and returns those that it used and
// made; nil if there are none. It waits for hashes as long as the limits say. The lists can be
// longer than those of a record.
func (w *Watch) End() *record.Files {
	deadline := time.Time{}
	if w != nil {
		deadline = time.Now().Add(w.limits.Wait)
	}
	return w.end(func(h *hashing) { h.finish(deadline) })
}

// EndWhole is End, but waits for all hashes until a context ends. show, if not nil, is called now
// and then with the bytes that were hashed.
func (w *Watch) EndWhole(ctx context.Context, show func(bytes int64)) *record.Files {
	return w.end(func(h *hashing) { h.wait(ctx, show) })
}

func (w *Watch) end(finish func(*hashing)) *record.Files {
	if w == nil {
		return nil
	}
	before := w.matching // it may be changed here while a file server does not respond
	end, ok := intime.Within(w.limits.Wait, func() ending { return w.again(before, time.Now().Add(finding)) })
	if !ok { // a file server does not respond any more
		w.matching.cutBy(nil, w.declared.Out)
		return w.untraced(w.Named())
	}
	w.matching = end.matching
	var tracing *tracing
	if w.traced != nil {
		tracing = w.startTracing(&end)
	}
	for _, f := range end.files {
		if f.after != nil && !f.foreign && (f.before == nil || !f.before.same(f.after)) {
			w.hashing.add(f.path, f.after)
		}
	}
	finish(w.hashing)
	var all lists
	real := realPaths{}
	for _, f := range end.files {
		isIn, isOut := f.before != nil && !f.to, f.isOut(w.hashing)
		shared := (isIn || isOut) && !f.foreign && w.written != nil && w.written(func() Name { return f.shareable(f.after, real) })
		if isIn {
			all.in(f, w.hashing)
			all.In[len(all.In)-1].Shared = shared
		}
		if isOut {
			all.out(f, w.hashing)
			all.Out[len(all.Out)-1].Shared = shared
			w.outs = append(w.outs, f)
		}
	}
	if tracing != nil {
		all.Trace, all.Complete = tracing.tell(w.hashing), tracing.complete()
	}
	return all.files(end.leftOut)
}

// lists collects the two lists of a run.
type lists struct{ record.Files }

func (l *lists) in(f *file, h *hashing) {
	l.In = append(l.In, listed(record.File{Path: f.name, Size: f.before.size, By: f.evidence(f.declaredIn), Program: f.readBy}, h.of(f.path, f.before)))
}

func (l *lists) out(f *file, h *hashing) {
	if f.foreign {
		l.Out = append(l.Out, record.File{Path: f.name, By: f.by, Program: f.writtenBy})
		return
	}
	offset := f.offset
	if offset > f.after.size || f.before != nil && f.before.inode != f.after.inode {
		offset = 0 // it was made shorter, or is another file
	}
	l.Out = append(l.Out, listed(record.File{Path: f.name, Size: f.after.size, By: f.evidence(f.declaredOut), Program: f.writtenBy, Offset: offset}, h.of(f.path, f.after)))
}

func listed(one record.File, hash digest) record.File {
	one.SHA256, one.Partial = hash.sha256, hash.partial
	return one
}

func (l *lists) files(leftOut int) *record.Files {
	l.LeftOut = leftOut
	if len(l.In)+len(l.Out)+l.LeftOut == 0 && l.Trace == nil {
		return nil
	}
	return &l.Files
}
