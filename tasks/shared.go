package tasks

import (
	"crypto/sha256"
	"encoding/hex"

	"qme/internal/mask"
	"qme/provenance"
	"qme/record"
	"qme/tasks/spool"
)

// share has the run and the others of this home that are alive know which files they name.
func (r *run) share() {
	names, all := r.files.Names()
	if r.entry == nil || len(names) == 0 && !all {
		return
	}
	told := make([]spool.Name, len(names))
	for i, n := range names {
		told[i] = spool.Name{Key: r.mask.key(n.Path), State: n.State, To: n.To}
	}
	if err := r.entry.Share(told, all); err != nil {
		r.q.Warn("whether another run writes the same files is not recorded: %v", err)
		return
	}
	var others map[string][]spool.Other
	r.files.Share(func(name func() provenance.Name) bool {
		if others == nil {
			others = r.others()
		}
		if len(others) == 0 {
			return false
		}
		n := name()
		for _, o := range others[r.mask.key(n.Path)] {
			if o.Out || n.State != "" && (o.To || o.State != n.State) {
				return true
			}
		}
		return false
	})
}

// others returns the files of other runs that were alive at the same time, by their keys.
func (r *run) others() map[string][]spool.Other {
	list, err := r.entry.Others()
	if err != nil {
		r.q.Warn("whether another run has written the same files is not recorded: %v", err)
	}
	others := map[string][]spool.Other{}
	for _, o := range list {
		others[o.Key] = append(others[o.Key], o)
	}
	return others
}

// tellOuts tells the other runs that were alive at the same time which files this one has written.
func (r *run) tellOuts() {
	if r.entry == nil || r.files == nil {
		return
	}
	err := r.entry.Tell(func() map[string]bool {
		outs := map[string]bool{}
		for _, path := range r.files.Outs() {
			outs[r.mask.key(path)] = true
		}
		return outs
	})
	if err != nil {
		r.q.Warn("other runs do not know which files this one has written: %v", err)
	}
}

// key returns what stands for a path among the runs of this home. A secret in it is masked.
func (m *masking) key(path string) string {
	if m.set != nil {
		path = m.set.Text(path, mask.Counts{})
	}
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:16])
}

// salvageShared marks those files of a run that was cut off which another run was writing.
func (q *Service) salvageShared(e *spool.Entry, rec *record.Record) error {
	files := rec.Data.Files
	if files == nil {
		return nil
	}
	names, err := e.Names()
	if err != nil {
		return err
	}
	others, err := e.Others()
	if err != nil {
		return err
	}
	written := map[string]bool{}
	for _, o := range others {
		written[o.Key] = written[o.Key] || o.Out || o.To
	}
	i := 0
	for _, n := range names { // in the order of the list, which has those that were there
		if n.State == "" || n.To {
			continue
		}
		if i == len(files.In) {
			break
		}
		files.In[i].Shared = files.In[i].Shared || written[n.Key]
		i++
	}
	return nil
}
