package tasks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/program"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/mirror/target"
)

// Following configures the work after a change of the history.
type Following struct {
	Sync bool // sync with the default remote
	// Mirror returns the database that mirrors the home, or nil for none.
	Mirror func() (*target.Target, error)
	// Apart updates the mirror in another process, for a caller that must not wait.
	Apart bool
	// Behind, if not nil, tells the user once why the mirror is not up to date.
	Behind func(why string)
}

// A Cause is the kind of change of the history.
type Cause int

// The causes of changes.
const (
	AfterRun      Cause = iota // a run was recorded
	AfterRefresh               // new states of jobs were recorded
	AfterExchange              // an exchange with a remote has succeeded
	AfterChange                // anything else
)

// Follow starts the work after a change: packing if it is due, a sync, and the mirror. It
// returns quickly; longer work runs in other processes. The error says which of them could not
// be started (the next change tries again), and why the mirror is not known.
func (q *Service) Follow(c Cause) error {
	var errs []error
	if c == AfterRun || c == AfterExchange { // exchanges too, so that a home without runs is packed
		if s, err := q.Store(); err == nil && s.NeedsGC() {
			errs = append(errs, q.start("gc", "--auto"))
		}
	}
	if q.Following.Sync && (c == AfterRun || c == AfterRefresh) {
		errs = append(errs, q.start("sync", "--auto"))
	}
	if err := q.mirrorFollows(); err != nil {
		errs = append(errs, fmt.Errorf("the mirror does not follow: %w", err))
	}
	return errors.Join(errs...)
}

// start starts a qme process for this home that outlives this process.
func (q *Service) start(words ...string) error {
	cmd, err := q.Itself(context.Background(), words...)
	if err != nil {
		return err
	}
	return program.Detach(cmd)
}

// Itself returns a command that runs this program on this home; see program.Itself.
func (q *Service) Itself(ctx context.Context, words ...string) (*exec.Cmd, error) {
	return program.Itself(ctx, q.Home, append([]string{"--home", q.Home}, words...)...)
}

// autoSyncLimit is the timeout of a sync in the background.
const autoSyncLimit = 10 * time.Minute

// AutoSync syncs in the background; see SyncInTurn. It writes failures to SyncLog, as rephrased
// by explain. The error says that the log could not be written.
func (q *Service) AutoSync(ctx context.Context, explain func(error) error) (synced bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, autoSyncLimit)
	defer cancel()
	if err = q.Recover(ctx); err != nil {
		q.Warn("a run is still in the spool: %v", err)
	}
	synced, err = q.SyncInTurn(ctx)
	switch {
	case err != nil:
		return false, q.SyncLog().Note(explain(err))
	case !synced:
		return false, nil // the process that does the sync reports the result
	}
	return true, nil
}

// SyncLog returns the log of syncs in the background.
func (q *Service) SyncLog() Log { return NewLog(q.Home, "sync.log") }

// takeTurn takes a lock file for work that one of many processes does for all. ok is false when
// another process holds the lock. On a file system without locks, every process succeeds.
// release may be called more than once.
func takeTurn(path string) (release func(), ok bool, err error) {
	f, err := lockfile.Open(afero.NewOsFs(), path, lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return sync.OnceFunc(func() { _ = f.Close() }), true, nil
}

// A Log is a file with the last failure of a background process: a line with the time and the
// reason, and a second line if a user has been told.
type Log struct{ path string }

// NewLog returns the log of that name in a home.
func NewLog(home, name string) Log { return Log{filepath.Join(home, name)} }

// toldMark is the second line of a log that was shown to a user.
const toldMark = "told"

func (l Log) read() (why string, told bool, err error) {
	b, err := regular.ReadHere(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	why, mark, _ := strings.Cut(string(b), "\n")
	return why, strings.TrimSpace(mark) == toldMark, err
}

func (l Log) write(why string, told bool) error {
	text := why + "\n"
	if told {
		text += toldMark + "\n"
	}
	return os.WriteFile(l.path, []byte(text), 0o600)
}

// Last returns the time, in RFC 3339, and the reason of the last failure. It returns "" if the
// last attempt succeeded or the log cannot be read.
func (l Log) Last() string {
	why, err := l.Read()
	if err != nil {
		return ""
	}
	return why
}

// Read is Last with the error of reading the log.
func (l Log) Read() (string, error) {
	why, _, err := l.read()
	return why, err
}

// Note writes the reason of a failure to the log, with the present time.
func (l Log) Note(why error) error {
	_, told, err := l.read()
	text := strings.Join(strings.Split(why.Error(), "\n"), "; ")
	return l.write(time.Now().Format(time.RFC3339)+" "+safe.Line(text), told && err == nil)
}

// Tell calls tell with the last failure, unless a user was already told.
func (l Log) Tell(tell func(why string)) error {
	why, told, err := l.read()
	if err != nil || why == "" || told {
		return nil // the next failure rewrites the log
	}
	tell(why)
	return l.write(why, true)
}

// Clear removes the log after a success.
func (l Log) Clear() error {
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
