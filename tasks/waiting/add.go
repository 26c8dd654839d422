package waiting

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"golang.org/x/sync/errgroup"

	"qme/internal/wholefile"
	"qme/record"
)

// An Addition is a task that is to wait.
type Addition struct {
	Record *record.Record
	Entry  *Entry // Add completes it
}

// flushers is how many tasks are written to the disk at the same time. A journal takes as long for the files of all of them as
// for one.
const flushers = 32

// Add stores a task that is to wait, with the environment of its command as NAME=value. When it
// returns the task survives a power cut. The error wraps record.ErrConflict if the task waits
// already.
func (f *Folder) Add(rec *record.Record, e *Entry, env []string) error {
	_, err := f.AddAll(func(yield func(Addition, error) bool) { yield(Addition{rec, e}, nil) }, env)
	return err
}

// AddAll is Add for several tasks with the same environment, and returns how many of them wait, the first ones. None does before all of
// them are on the disk, nor after an error of the sequence.
func (f *Folder) AddAll(seq iter.Seq2[Addition, error], env []string) (added int, err error) {
	if errs := f.Misplaced(); len(errs) > 0 {
		return 0, errs[0]
	}
	making, err := f.making()
	if err != nil {
		return 0, err
	}
	tmp, err := afero.TempDir(f.fs, making, "")
	if err != nil {
		return 0, err
	}
	defer func() {
		if rerr := f.fs.RemoveAll(tmp); err != nil { // else it is empty, and Tidy removes it
			err = errors.Join(err, rerr)
		}
	}()
	ids, err := f.fill(tmp, seq, newEnvironment(env))
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := f.rename(filepath.Join(tmp, string(id)), f.path(id)); err != nil {
			return added, errors.Join(err, wholefile.FlushFolder(f.fs, f.dir))
		}
		added++
	}
	return added, wholefile.FlushFolder(f.fs, f.dir)
}

// making returns the folder in which others are made.
func (f *Folder) making() (string, error) {
	dir := filepath.Join(f.dir, newFolder)
	first := !f.Any()
	if err := f.fs.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if first {
		return dir, wholefile.FlushFolder(f.fs, filepath.Dir(f.dir))
	}
	return dir, nil
}

// fill makes a folder in dir for each task, has all of them on the disk, and returns their ids.
func (f *Folder) fill(dir string, seq iter.Seq2[Addition, error], env environment) (ids []record.ID, err error) {
	all, ctx := errgroup.WithContext(context.Background())
	all.SetLimit(flushers)
	for a, serr := range seq {
		if err = serr; err != nil || ctx.Err() != nil { // one could not be stored
			break
		}
		ids = append(ids, a.Record.UID)
		if len(ids) == 1 { // which makes the environment for all
			if err = f.fillOne(dir, a, env); err != nil {
				break
			}
			continue
		}
		all.Go(func() error { return f.fillOne(dir, a, env) })
	}
	return ids, errors.Join(err, all.Wait())
}

func (f *Folder) fillOne(in string, a Addition, env environment) error {
	dir := filepath.Join(in, string(a.Record.UID))
	if err := f.fs.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := f.keepEnvironment(dir, env); err != nil {
		return err
	}
	a.Entry.Env = env.digest
	rec, err := record.Encode(a.Record)
	if err != nil {
		return err
	}
	entry, err := json.Marshal(a.Entry)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{recordFile: rec, entryFile: entry} {
		if err := f.create(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return wholefile.FlushFolder(f.fs, dir)
}

// create writes a file in a folder that no other process knows.
func (f *Folder) create(path string, content []byte) error {
	file, err := f.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
