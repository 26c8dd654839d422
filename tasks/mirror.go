package tasks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/afero"

	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/mirror"
	"qme/mirror/target"
	"qme/record"
)

// OpenMirror opens the mirror of this home in a database.
func (q *Service) OpenMirror(t *target.Target) (*mirror.Mirror, error) {
	id, err := homeID(q.Home)
	if err != nil {
		return nil, err
	}
	return mirror.Open(t, mirror.Home{ID: id, Name: fmt.Sprintf("%s@%s:%s", q.Settings.User, q.Settings.Host, q.Home)})
}

// homeIDFile is the file of the home with its name in databases.
const homeIDFile = "mirror.id"

// homeID returns what names this home in every database, and chooses it at the first
// use.
func homeID(home string) (string, error) {
	path := filepath.Join(home, homeIDFile)
	for tries := 0; ; tries++ {
		b, err := regular.ReadHere(path)
		if errors.Is(err, fs.ErrNotExist) && tries > 2 {
			return "", fmt.Errorf("%s leads nowhere: remove it: %w", path, record.ErrInvalid)
		}
		if errors.Is(err, fs.ErrNotExist) {
			if err = makeHomeID(path); err != nil {
				return "", err
			}
			continue
		}
		if err != nil {
			return "", err
		}
		id, err := uuid.Parse(strings.TrimSpace(string(b)))
		if err != nil {
			return "", fmt.Errorf("%s holds no UUID: remove it, and run \"qme mirror rebuild\"", path)
		}
		return id.String(), nil
	}
}

// makeHomeID makes the file, or leaves the one that another process has made.
func makeHomeID(path string) error {
	id, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	fsys := afero.NewOsFs()
	err = wholefile.Create(fsys, path, []byte(id.String()+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return wholefile.RemoveLeft(fsys, path)
}

// CatchUpMirror brings the mirror up to date, or makes it anew; a file of the home's own that
// is damaged is made anew. progress, if not nil, is told of the tasks so far.
func (q *Service) CatchUpMirror(ctx context.Context, t *target.Target, anew bool, progress func(int)) (mirror.Applied, error) {
	s, err := q.Store()
	if err != nil {
		return mirror.Applied{}, err
	}
	for again := false; ; again = true {
		applied, err := q.catchUpOnce(ctx, t, s, anew, progress)
		if !errors.Is(err, mirror.ErrDamaged) || !t.Own || again {
			return applied, err
		}
		if err := removeMirror(t); err != nil {
			return applied, err
		}
	}
}

func (q *Service) catchUpOnce(ctx context.Context, t *target.Target, h mirror.History, anew bool, progress func(int)) (mirror.Applied, error) {
	m, err := q.OpenMirror(t)
	if err != nil {
		return mirror.Applied{}, err
	}
	defer m.Close()
	if anew {
		return m.Rebuild(ctx, h, progress)
	}
	return m.CatchUp(ctx, h, progress)
}

// removeMirror removes a file that is the home's own and damaged.
func removeMirror(t *target.Target) error {
	for _, suffix := range []string{"-journal", "-wal", "-shm", ""} {
		if err := os.Remove(t.Path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// followInTurn catches up until nothing is left. Of many runs at once one does, and
// the others leave theirs to it. With progress, which is told of the tasks so far, a
// file of the home's own that is damaged is made anew. It says whether it was this
// process that has caught up.
func (q *Service) followInTurn(ctx context.Context, t *target.Target, progress func(int)) (caughtUp bool, err error) {
	s, err := q.Store()
	if err != nil {
		return false, err
	}
	for {
		turn, ok, err := takeTurn(filepath.Join(q.Home, "mirror.lock"))
		if err != nil || !ok {
			return caughtUp, err
		}
		var applied mirror.Applied
		if progress != nil {
			applied, err = q.CatchUpMirror(ctx, t, false, progress)
		} else {
			applied, err = q.catchUpOnce(ctx, t, s, false, nil)
		}
		turn()
		if err != nil {
			return false, err
		}
		caughtUp = true
		// A run that was recorded meanwhile has seen the lock, and left it at that.
		head, err := s.Head()
		if err != nil || head == applied.Commit {
			return caughtUp, err
		}
	}
}

// MirrorLog says why the mirror could not follow the last time.
func (q *Service) MirrorLog() Log { return Log{filepath.Join(q.Home, "mirror.log")} }

// followLimit is how long a command waits for the mirror after its own work.
const followLimit = 200 * time.Millisecond

// mirrorFollows brings the mirror up to date after a change. It fails nothing and holds up
// nobody: what takes too long, or did not work the last time, is left to a process of its own.
// The error says why the mirror is not known, or that process not started.
func (q *Service) mirrorFollows() error {
	t, err := q.Following.Mirror()
	if err != nil || t == nil {
		return err
	}
	if q.Following.Apart {
		return q.start("mirror", "--auto")
	}
	if q.MirrorLog().Last() != "" {
		q.tellBehind()
		return q.start("mirror", "--auto")
	}
	ctx, cancel := context.WithTimeout(context.Background(), followLimit)
	defer cancel()
	switch _, err := q.followInTurn(ctx, t, nil); {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, mirror.ErrDamaged) && t.Own:
		return q.start("mirror", "--auto")
	default:
		q.noteBehind(err)
		q.tellBehind()
	}
	return nil
}

// noteBehind notes why the mirror could not follow.
func (q *Service) noteBehind(why error) {
	if err := q.MirrorLog().Note(why); err != nil {
		q.tell("qme: %v", err)
	}
}

// tellBehind tells of the mirror's log, unless that has been done.
func (q *Service) tellBehind() {
	if q.Following.Behind == nil {
		return
	}
	if err := q.MirrorLog().Tell(q.Following.Behind); err != nil {
		q.tell("qme: %v", err)
	}
}

// stallLimit ends a catch-up in the background that writes nothing for that long. A
// large history takes longer as a whole.
const stallLimit = 5 * time.Minute

var errStalled = fmt.Errorf("the database took nothing for %s", stallLimit)

// FollowMirror catches up in a process that nobody waits for. What goes wrong is in MirrorLog;
// the error says that it cannot be.
func (q *Service) FollowMirror(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallLimit, func() { cancel(errStalled) })
	defer stalled.Stop()
	t, err := q.Following.Mirror()
	caughtUp := err == nil && t == nil
	if err == nil && t != nil {
		caughtUp, err = q.followInTurn(ctx, t, func(int) { stalled.Reset(stallLimit) })
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = fmt.Errorf("%s: %w", t, errStalled)
		}
		q.noteBehind(err)
		return nil
	}
	if !caughtUp {
		return nil // the process that has the turn will know whether the trouble is over
	}
	return q.MirrorLog().Clear()
}

// A MirrorState is how far a mirror is.
type MirrorState struct {
	Commit     string  // the newest one that is mirrored; "" when nothing is
	Behind     Traffic // what is not
	Unreadable int     // how many records are damaged, and so not in the mirror
	Schema     int64   // the version of its tables, 0 where there are none
}

// MirrorState returns how far a mirror is.
func (q *Service) MirrorState(ctx context.Context, t *target.Target) (st MirrorState, err error) {
	s, err := q.Store()
	if err != nil {
		return st, err
	}
	head, err := s.Head()
	if err != nil {
		return st, err
	}
	if t.Kind == target.SQLite {
		if _, err := os.Stat(t.Path); errors.Is(err, fs.ErrNotExist) { // asking would make it
			st.Behind, err = Count(ctx, s, "", head)
			return st, err
		}
	}
	m, err := q.OpenMirror(t)
	if err != nil {
		return st, err
	}
	defer m.Close()
	state, err := m.State(ctx)
	if err != nil {
		return st, err
	}
	from := state.Commit
	if from != "" {
		follows, err := s.IsAncestor(ctx, from, head)
		if err != nil {
			return st, err
		}
		if !follows {
			from = "" // all of it will be made anew
		}
	}
	st.Commit, st.Unreadable, st.Schema = state.Commit, state.Unreadable, state.Schema
	st.Behind, err = Count(ctx, s, from, head)
	return st, err
}
