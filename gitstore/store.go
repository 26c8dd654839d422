// Package gitstore keeps task records in a bare git repository, as docs/format.md
// says: one commit for each run, written without a work tree or an index, at a
// cost that does not grow with the history. The git program may read, clone,
// collect and repack the repository at any time.
package gitstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/odb"
	"qme/internal/wholefile"
	"qme/record"
)

// branch is the reference to the history. homeRef is the only other one that is written.
const branch = "refs/heads/main"

// ErrBusy says that another process has held the history's lock for longer than
// Options.LockTimeout. Nothing was changed; trying again later may succeed.
var ErrBusy = fmt.Errorf("the history is %w", record.ErrBusy)

// Options says how a store is used. The zero value is for normal use.
type Options struct {
	// NoSync leaves out every flush to disk: a power cut may then lose commits. For tests
	// and generated histories.
	NoSync bool
	// LockTimeout bounds the wait for other writers; 0 means 10 seconds.
	LockTimeout time.Duration
	// StaleLock is the age from which a lock that no process of ours holds is
	// taken for one that a crash of git left; 0 means one minute.
	StaleLock time.Duration
	// Identity is the author and committer; the zero value means git's own
	// configuration, else USER and USER@HOST.
	Identity Identity
	// Warn, if not nil, is told of repairs in one line each.
	Warn func(msg string)
}

// A Store is a task history. Its methods may be called from several goroutines,
// and several processes may work on one repository.
type Store struct {
	fs    afero.Fs
	dir   string
	opts  Options
	odb   *odb.DB
	queue chan struct{} // serialises the writers of this process
}

// Open opens the history in the folder dir (usually tasks.git), and makes an
// empty one when there is nothing. What is there is looked at when it is read:
// reading and committing return record.ErrNewerFormat for a history of a later version,
// and wrap record.ErrInvalid for a repository that is no history.
func Open(fsys afero.Fs, dir string, opts Options) (*Store, error) {
	if opts.LockTimeout == 0 {
		opts.LockTimeout = 10 * time.Second
	}
	if opts.StaleLock == 0 {
		opts.StaleLock = time.Minute
	}
	s := &Store{fs: fsys, dir: dir, opts: opts, queue: make(chan struct{}, 1)}
	s.odb = odb.Open(fsys, filepath.Join(dir, "objects"), odb.Options{NoSync: opts.NoSync})
	if err := s.readable(); err != nil {
		return nil, err
	}
	_, err := fsys.Stat(filepath.Join(dir, "HEAD"))
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.init(); err != nil {
			return nil, fmt.Errorf("make a task history in %s: %w", dir, err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("open the task history: %w", err)
	}
	return s, nil
}

// Close releases the files that are held open.
func (s *Store) Close() error { return s.odb.Close() }

// Dir returns the folder of the repository.
func (s *Store) Dir() string { return s.dir }

// botIdentity is the author of commits that depend on no user, so that histories which did
// the same thing have the same commit.
var botIdentity = Identity{Name: "qme", Email: "qme@localhost"}

// epoch is the time of every history's first commit. It is the same everywhere:
// histories of several machines have their root in common.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

const readme = `# Task history

Each file under ` + "`tasks/`" + ` is the record of one command that was run with
QueueMe (` + "`qme run`" + `): the command, its directory, user, time, output, error,
return code and resources, as JSON. The folders are the time at which it was first run, in UTC:
year, month, day, hour, minute. There is one commit for each run; earlier runs of
a task are earlier versions of its file (` + "`git log -p -- FILE`" + `).

` + "`format`" + ` is the version of this layout.
`

const repoConfig = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
`

// init makes the repository in a folder of its own and renames it into place, so
// that others see all of it, with its first commit, or nothing.
func (s *Store) init() error {
	parent := filepath.Dir(s.dir)
	if err := s.fs.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	tmp, err := afero.TempDir(s.fs, parent, ".new-history-")
	if err != nil {
		return err
	}
	if err := s.fill(tmp); err != nil {
		return errors.Join(err, s.fs.RemoveAll(tmp))
	}
	err = s.fs.Rename(tmp, s.dir)
	if err != nil {
		err = errors.Join(err, s.fs.RemoveAll(tmp))
		if _, serr := s.fs.Stat(filepath.Join(s.dir, "HEAD")); serr == nil {
			return nil // another process was faster
		}
		return err
	}
	if s.opts.NoSync {
		return nil
	}
	return wholefile.FlushFolder(s.fs, parent)
}

// fill makes a repository that only its owner can read: the home around it may be open, when
// another program has made that. dir has mode 0700.
func (s *Store) fill(dir string) error {
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags", "info"} {
		if err := s.fs.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"HEAD": "ref: " + branch + "\n", "config": repoConfig} {
		if err := s.writeFile(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	db := odb.Open(s.fs, filepath.Join(dir, "objects"), odb.Options{NoSync: s.opts.NoSync})
	w := db.NewWriter()
	t := &tx{w: w, identity: botIdentity, when: epoch, message: "init: task history\n", edits: map[string]plumbing.Hash{
		"README.md": w.Add(plumbing.BlobObject, []byte(readme), ""),
		"format":    w.Add(plumbing.BlobObject, []byte(record.Format+"\n"), ""),
	}}
	head, _, err := t.finish()
	if err != nil {
		return err
	}
	pack, err := w.Flush()
	if err != nil {
		return err
	}
	if err := errors.Join(db.Unkeep(pack), db.Close()); err != nil {
		return err
	}
	return s.writeFile(filepath.Join(dir, branch), head.String()+"\n")
}

func (s *Store) writeFile(path, text string) error {
	f, err := s.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err == nil && !s.opts.NoSync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// checkFormat refuses a tree whose format this version does not know.
func checkFormat(content []byte) error {
	text := strings.TrimSpace(string(content))
	if text == record.Format {
		return nil
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return fmt.Errorf("the history has format %s, this version of qme knows up to %s: %w", text, record.Format, record.ErrNewerFormat)
	}
	return fmt.Errorf("the history's file \"format\" says %.20q: %w", text, record.ErrInvalid)
}
