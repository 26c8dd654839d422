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
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/program"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/mirror/target"
)

// Following is what a home does after a change of its history.
type Following struct {
	Sync bool // sync with the remote that is meant without a name
	// Mirror returns the database that mirrors the home, nil for none.
	Mirror func() (*target.Target, error)
	// Apart leaves the mirror to a process of its own, for a caller that must not wait.
	Apart bool
	// Behind, if not nil, tells the user once why the mirror does not follow.
	Behind func(why string)
}

// A Cause is what has changed the history.
type Cause int

// The causes of changes.
const (
	AfterRun      Cause = iota // a run was recorded
	AfterRefresh               // what is known of jobs was
	AfterExchange              // an exchange has gone through
	AfterChange                // anything else
)

// Follow does what is to be done after a change: packing when it is due, a sync, the mirror. It
// takes a moment at the most; the rest is done by processes of their own. The error says what was
// not started, which the next change does, and why the mirror is not known.
func (q *Service) Follow(c Cause) error {
	var errs []error
	if c == AfterRun || c == AfterExchange { // a home in which nothing is run gets packs all the same
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

// start starts a qme of this home that outlives this process.
func (q *Service) start(words ...string) error {
	cmd, err := q.Itself(context.Background(), words...)
	if err != nil {
		return err
	}
	return program.Detach(cmd)
}

// Itself returns this program on this home: see program.Itself.
func (q *Service) Itself(ctx context.Context, words ...string) (*exec.Cmd, error) {
	return program.Itself(ctx, q.Home, append([]string{"--home", q.Home}, words...)...)
}

// autoSyncLimit ends a sync in the background that gets nowhere.
const autoSyncLimit = 10 * time.Minute

// AutoSync syncs in a process that nobody waits for: see SyncInTurn. What goes wrong is in
// SyncLog, in the words that explain finds for it; the error says that it cannot be.
func (q *Service) AutoSync(ctx context.Context, explain func(error) error) (synced bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, autoSyncLimit)
	defer cancel()
	if err = q.Recover(ctx); errors.Is(err, syscall.ENOTDIR) {
		return false, q.SyncLog().Note(err) // there is no spool: its place is taken
	} else if err != nil {
		q.Warn("a run is still in the spool: %v", err)
	}
	synced, err = q.SyncInTurn(ctx)
	switch {
	case err != nil:
		return false, q.SyncLog().Note(explain(err))
	case !synced:
		return false, nil // how it went is for the one to tell who does it
	}
	return true, nil
}

// SyncLog says why the last sync in the background went wrong.
func (q *Service) SyncLog() Log { return Log{filepath.Join(q.Home, "sync.log")} }

// takeTurn takes the lock of a file for something that one of many processes does for all.
// ok is false when another has it. Where there are no locks everybody has it. release may be
// called more than once.
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

// A Log is a file with what went wrong the last time in a process that nobody waits for: a
// line with the time and the reason and, when a user has been told, another one.
type Log struct{ path string }

// toldMark ends the note of what somebody has been told.
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

// Last returns when, in RFC 3339, and why it went wrong; "" where it went well, or where that
// cannot be read.
func (l Log) Last() string {
	why, err := l.Read()
	if err != nil {
		return ""
	}
	return why
}

// Read is Last with the error of reading.
func (l Log) Read() (string, error) {
	why, _, err := l.read()
	return why, err
}

// Note notes why something went wrong now.
func (l Log) Note(why error) error {
	_, told, err := l.read()
	text := strings.Join(strings.Split(why.Error(), "\n"), "; ")
	return l.write(time.Now().Format(time.RFC3339)+" "+safe.Line(text), told && err == nil)
}

// Tell has a user be told why it went wrong, unless that has been done.
func (l Log) Tell(tell func(why string)) error {
	why, told, err := l.read()
	if err != nil || why == "" || told {
		return nil // the next attempt makes another note
	}
	tell(why)
	return l.write(why, true)
}

// Clear notes that it went well.
func (l Log) Clear() error {
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
