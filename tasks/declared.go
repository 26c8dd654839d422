package tasks

import (
	"slices"

	"qme/executor"
	"qme/internal/safe"
	"qme/provenance"
	"qme/record"
)

// declaration returns what a record has of declared files; nil for none.
func declaration(d provenance.Declared) *record.Declared {
	all := &record.Declared{In: validAll(d.In), Out: validAll(d.Out)}
	return all.Again()
}

// declare puts the files that are declared for a rerun into the record of the run before it, which
// must not be written.
func declare(old *record.Record, d provenance.Declared) {
	now := record.Declared{}
	if old.Data.Declared != nil {
		now = *old.Data.Declared
	}
	given := declaration(d)
	if given != nil && len(given.In) > 0 {
		now.In = given.In
	}
	if given != nil && len(given.Out) > 0 {
		now.Out = given.Out
	}
	old.Data.Declared = now.Again()
}

// unmatched says which declared outputs there are not, and notes whether all were looked for.
func (r *run) unmatched() {
	m := r.files.Matching()
	if d := r.rec.Data.Declared; d != nil && m.Cut {
		d.Cut = true
		r.q.Warn("there are too many files, or too slow ones, to look at all that --in and --out declare")
	}
	if r.tracker != nil { // the job may make them
		return
	}
	for _, pattern := range m.Out {
		r.q.Warn("no file matches --out %s", safe.Bounded(executor.Quote([]string{pattern})))
	}
}

// declaredWords returns the patterns of declared files in the order of their lists.
func declaredWords(d *record.Declared) []string {
	if d == nil {
		return nil
	}
	return slices.Concat(d.In, d.Out)
}
