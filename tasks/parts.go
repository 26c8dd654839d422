package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"qme/record"
)

// part stores a part of a run with its secrets masked, in place of an earlier one of that name; an
// empty one is none. It may be called from several goroutines until the run is recorded. It reports
// whether the part is in the spool; one that is not is committed with the record, if that can be.
func (r *run) part(name record.PartName, content []byte) bool {
	if r.entry == nil || len(content) == 0 {
		return false
	}
	content = r.mask.part(name, content)
	err := r.entry.WritePart(name, content)
	if err != nil {
		r.q.Warn("a part of the record is not in the spool: %v", err)
	}
	return err == nil
}

// listFiles puts the files of a run that has ended into its record.
func (r *run) listFiles(ctx context.Context) {
	files := r.endFiles(ctx)
	r.unmatched(files)
	if files != nil {
		r.made = slices.Clone(files.Out)
	}
	kept := r.keepOutputs(files)
	files = r.mask.listed(files)
	content := r.packKept(files, kept)
	r.whole = files
	short, part, err := files.Short()
	if r.rec.Data.Files = short; err != nil {
		r.q.Warn("the list of files is not stored whole: %v", err)
	} else if part != nil {
		r.part(record.PartFiles, part)
	}
	r.storeKept(content)
}

// endFiles looks at the files of a run that has ended. If all are to be hashed, it waits for that
// until the context ends.
func (r *run) endFiles(ctx context.Context) *record.Files {
	if !r.hash && r.checking == nil || r.rec.Data.Status == record.Cancelled {
		return r.files.End()
	}
	show, done := r.q.progress("MiB of files hashed; Ctrl-C leaves out the rest")
	files := r.files.EndWhole(ctx, func(bytes int64) {
		if show != nil {
			show(int(bytes >> 20))
		}
	})
	done()
	if ctx.Err() != nil {
		r.q.Warn("not all files are hashed")
	}
	return files
}

// Files returns the files of a run, all of them if its part record.PartFiles can be read; nil if
// they were not recorded.
func (v Version) Files() (*record.Files, error) {
	all, err := v.wholeFiles()
	if errors.Is(err, record.ErrPartElsewhere) {
		return v.Record.Data.Files, nil
	}
	return all, err
}

// wholeFiles is Files with the error record.ErrPartElsewhere if only some of the files are known here.
func (v Version) wholeFiles() (*record.Files, error) {
	return wholeFiles(v.Record, func(_ *record.Record, name record.PartName) ([]byte, error) { return v.Part(name) })
}

// wholeFiles returns all files of a run, whose parts are read by part.
func wholeFiles(rec *record.Record, part func(*record.Record, record.PartName) ([]byte, error)) (*record.Files, error) {
	if _, ok := rec.Data.Parts[record.PartFiles]; !ok {
		return rec.Data.Files, nil
	}
	b, err := part(rec, record.PartFiles)
	if err != nil {
		return nil, err
	}
	all, err := rec.Data.Files.Whole(b)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", rec.UID, err)
	}
	return all, nil
}

// describeParts puts the parts of a run into its record.
func (q *Service) describeParts(rec *record.Record, parts map[record.PartName][]byte) {
	rec.Data.Parts = nil
	for name, content := range parts {
		part := record.NewPart(content)
		part.Home = !slices.Contains(q.Settings.Shared, string(name))
		if rec.Data.Parts == nil {
			rec.Data.Parts = record.Parts{}
		}
		rec.Data.Parts[name] = part
	}
	for name, git := range map[record.PartName]*record.Git{record.PartPatch: rec.Data.Git, record.PartCodePatch: rec.Data.Code} {
		if _, there := parts[name]; there && git != nil { // the record was not written after it
			git.PatchError = ""
		}
	}
}

// Part returns a part of a run. The error wraps record.ErrNoPart if the run has no such part, and
// record.ErrPartElsewhere if it is in another home.
func (v Version) Part(name record.PartName) ([]byte, error) {
	if v.parts != nil {
		if len(v.parts[name]) == 0 {
			return nil, fmt.Errorf("its part %s: %w", name, record.ErrNoPart)
		}
		return v.parts[name], nil
	}
	if v.Uncommitted() {
		content, err := v.spooledPart(name)
		if v.Uncommitted() {
			return content, err
		}
		if v, err = v.again(); err != nil {
			return nil, err
		}
	}
	store, err := v.service.Store()
	if err != nil {
		return nil, err
	}
	return store.Part(v.Commit, v.Record, name)
}

// spooledPart is Part for an uncommitted run.
func (v Version) spooledPart(name record.PartName) (content []byte, err error) {
	if !v.Record.IsQueued() {
		content, err = v.service.Spool.Part(v.Record.UID, name)
	}
	if err == nil && len(content) == 0 {
		err = fmt.Errorf("task %s: its part %s: %w", v.Record.UID, name, record.ErrNoPart)
	}
	return content, err
}
