package waiting

import (
	"path/filepath"
	"time"

	"qme/internal/wholefile"
	"qme/record"
)

// editsName is the file that is replaced after an entry has been changed in its place. That changes the
// time of the folder as well, so one look at the folder says whether anything is new.
const editsName = ".edits"

// edited notes that an entry was changed in its place, for those that watch the folder.
func (f *Folder) edited() error {
	return wholefile.Replace(f.fs, filepath.Join(f.dir, editsName), nil)
}

// A Watch tells which tasks wait, again and again, at the cost of one look while nothing changes. It is for
// use by one goroutine at a time.
type Watch struct {
	f             *Folder
	folder, edits wholefile.Stamp // of the folder and of editsName
	sure          bool            // what was listed is what the folder had at that stamp
	stamps        map[record.ID]wholefile.Stamp
	version       uint64
}

// Watch returns a new Watch.
func (f *Folder) Watch() *Watch { return &Watch{f: f} }

// folderTick is for how long two changes of a folder may give it the same time.
const folderTick = 2 * time.Second

// Look returns the waiting tasks, each with a stamp of its entry and record. The map is never altered;
// the version is another one whenever the map is. No task is read.
func (w *Watch) Look() (stamps map[record.ID]wholefile.Stamp, version uint64, err error) {
	began := time.Now()
	folder, err := w.f.stamp("")
	if err != nil {
		return nil, 0, err
	}
	if w.sure && folder == w.folder {
		return w.stamps, w.version, nil
	}
	edits, err := w.f.stamp(editsName)
	if err != nil {
		return nil, 0, err
	}
	if err := w.list(edits != w.edits); err != nil {
		return nil, 0, err
	}
	// It may change once more within the same tick.
	w.folder, w.edits, w.sure = folder, edits, folder.Time.Before(began.Add(-folderTick))
	return w.stamps, w.version, nil
}

// list lists the folder. Tasks that are known are looked at only if edited is set.
func (w *Watch) list(edited bool) error {
	ids, err := w.f.IDs()
	if err != nil {
		return err
	}
	now, same := make(map[record.ID]wholefile.Stamp, len(ids)), w.stamps != nil
	for _, id := range ids {
		stamp, known := w.stamps[id]
		if !known || edited {
			before := stamp
			if stamp, err = w.f.stamp(string(id)); err != nil {
				return err
			}
			same = same && known && stamp == before
		}
		if stamp != (wholefile.Stamp{}) { // it has not started meanwhile
			now[id] = stamp
		}
	}
	if !same || len(now) != len(w.stamps) {
		w.stamps = now
		w.version++
	}
	return nil
}

// stamp returns the stamp of a file of the folder, or of itself.
func (f *Folder) stamp(name string) (wholefile.Stamp, error) {
	return wholefile.StampOf(f.fs, filepath.Join(f.dir, name))
}
