package tasks

import (
	"slices"
	"strings"

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

// unmatched says which declared outputs there are not, and notes whether all files were looked for
// that are declared.
func (r *run) unmatched(files *record.Files) {
	m := r.files.Matching()
	if d := r.rec.Data.Declared; d != nil && m.Cut {
		d.Cut = true
		listed, leftOut := 0, 0
		if files != nil {
			listed, leftOut = len(files.In)+len(files.Out), files.LeftOut
		}
		r.q.Warn("%s: these are too many files, or too slow ones, to look at all of them; %d files of the run are listed, and %d more were found", cutOptions(m), listed, leftOut)
	}
	if r.tracker != nil { // the job may make them
		return
	}
	for _, pattern := range m.Out {
		if slices.ContainsFunc(r.q.metricsOf(r.metrics).Files, func(name string) bool { return literal(name) == pattern }) {
			continue // of which there is a message of its own
		}
		r.q.Warn("no file matches --out %s", safe.Bounded(executor.Quote([]string{pattern})))
	}
}

// mostOptions is how many options a message names.
const mostOptions = 3

// cutOptions returns the options of which not all files were looked at, for a message.
func cutOptions(m provenance.Matching) string {
	var options []string
	for _, pattern := range m.CutIn {
		options = append(options, "--in "+safe.Bounded(executor.Quote([]string{pattern})))
	}
	for _, pattern := range m.CutOut {
		options = append(options, "--out "+safe.Bounded(executor.Quote([]string{pattern})))
	}
	if len(options) > mostOptions {
		options = append(options[:mostOptions], "...")
	}
	return strings.Join(options, ", ")
}

// declaredWords returns the patterns of declared files in the order of their lists.
func declaredWords(d *record.Declared) []string {
	if d == nil {
		return nil
	}
	return slices.Concat(d.In, d.Out)
}
