package index

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/blevesearch/bleve/v2"

	"qme/internal/lockfile"
)

// Bleve lists its segments in a bolt database, which it locks. Many file systems of clusters
// have no locks. There the database is copied to the system's folder for temporary files, next
// to links to the segments, and opened in that place.

// openReadOnly opens the index in a folder with bleve.
func openReadOnly(dir string, files []fileInfo) (bleve.Index, error) {
	// No process has bleve's own lock for long: a writer has a folder of its own.
	options := map[string]any{"read_only": true, "bolt_timeout": "5s"}
	index, err := bleve.OpenUsing(dir, options)
	if err == nil || !lockfile.None(err) {
		return index, err
	}
	elsewhere, err := newElsewhere()
	if err != nil {
		return nil, err
	}
	err = assemble(dir, elsewhere, files, os.Symlink)
	if err == nil {
		index, err = bleve.OpenUsing(elsewhere, options)
	}
	// The files stay as long as they are open.
	return index, errors.Join(err, os.RemoveAll(elsewhere))
}

func newElsewhere() (string, error) { return os.MkdirTemp("", "qme-index-") }

// assemble copies the files of an index to another folder, in which there is none. Segments
// do not change, so a link to them will do, where it can be made.
func assemble(from, to string, files []fileInfo, link func(old, now string) error) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(to, storeName), 0o700); err != nil {
		return err
	}
	for _, f := range files {
		old, now := f.path(from), f.path(to)
		if filepath.Ext(old) == ".zap" && link(old, now) == nil {
			continue
		}
		if err := copyFile(old, now); err != nil {
			return err
		}
	}
	return nil
}

// collect brings what was written elsewhere to the folder of the next state.
func (w *writer) collect() error {
	files, err := listFiles(w.work)
	if err != nil {
		return err
	}
	return assemble(w.work, w.tmp, files, func(old, now string) error {
		target, err := os.Readlink(old) // a segment that has stayed as it was
		if err != nil {
			return err
		}
		if err := os.Link(target, now); err == nil {
			return nil
		}
		return copyFile(target, now)
	})
}
