package tasks

import (
	"errors"
	"fmt"

	"qme/provenance/usage"
	"qme/record"
	"qme/tasks/spool"
)

// watchUsage begins to sample what the processes of the run use.
func (r *run) watchUsage(pid int) {
	r.usage = usage.Start(usage.Options{
		PID: pid, Mark: Variable + "=" + string(r.rec.UID), Interval: r.q.Settings.Usage, Store: usageStore{r.entry},
	})
}

// endUsage puts what was sampled into the record. It returns the samples, nil if there are none.
func (r *run) endUsage() []byte {
	d := &r.rec.Data
	u := d.Usage
	if u == nil {
		u = &record.Usage{} // how the command ended is not known
	}
	samples, err := r.usage.End(u)
	if err != nil {
		r.q.Warn("samples of what the run used were not stored during the run: %v", err)
	}
	if samples == nil {
		u.Read, u.Written = 0, 0 // of a run without samples nothing of this is told
	} else {
		d.Usage = u
	}
	return samples
}

// A usageStore keeps the samples of a run in its entry.
type usageStore struct{ entry *spool.Entry }

// Append implements usage.Store.
func (s usageStore) Append(b []byte) error { return s.entry.AppendPart(record.PartUsage, b) }

// Replace implements usage.Store.
func (s usageStore) Replace(b []byte) error { return s.entry.WritePart(record.PartUsage, b) }

// Samples returns what the run used over time; nil if it has no samples, or they are in another
// home. The error wraps record.ErrInvalid if they are damaged.
func (v Version) Samples() (*usage.Series, error) {
	part, err := v.Part(record.PartUsage)
	if errors.Is(err, record.ErrNoPart) || errors.Is(err, record.ErrPartElsewhere) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := usage.Parse(part)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", v.Record.UID, err)
	}
	return s, nil
}

// salvageUsage puts what was sampled of a run that was cut off into its record. Samples that a
// power cut has damaged are dropped.
func (q *Service) salvageUsage(e *spool.Entry, rec *record.Record) error {
	if rec.Data.Usage != nil && rec.Data.Usage.Samples > 0 {
		return nil // the run had ended
	}
	parts, err := e.Parts()
	if err != nil || parts[record.PartUsage] == nil {
		return err
	}
	u := rec.Data.Usage
	if u == nil {
		u = &record.Usage{}
	}
	samples, err := usage.Salvage(u, parts[record.PartUsage])
	if err != nil {
		q.Warn("task %s: its samples of what it used are dropped: %v", rec.UID, err)
	}
	if err := e.WritePart(record.PartUsage, samples); err != nil {
		return err
	}
	if u.Samples > 0 {
		rec.Data.Usage = u
	}
	return nil
}
