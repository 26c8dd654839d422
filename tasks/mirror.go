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

// OpenMirror opens this home's mirror in a database.
func (q *Service) OpenMirror(t *target.Target) (*mirror.Mirror, error) {
	id, err := homeID(q.Home)
	if err != nil {
		return nil, err
	}
	return mirror.Open(t, mirror.Home{ID: id, Name: fmt.Sprintf("%s@%s:%s", q.Settings.User, q.Settings.Host, q.Home)})
}

// homeIDFile is the file with the id of the home for databases.
const homeIDFile = "mirror.id"

// homeID returns the id of this home in every database. It creates the id on first use.
func homeID(home string) (string, error) {
	path := filepath.Join(home, homeIDFile)
	for tries := 0; ; tries++ {
		id, err := readHomeID(path)
		if errors.Is(err, fs.ErrNotExist) && tries > 2 {
			return "", fmt.Errorf("%s leads nowhere: remove it: %w", path, record.ErrInvalid)
		}
		if errors.Is(err, fs.ErrNotExist) {
			if err = makeHomeID(path); err != nil {
				return "", err
			}
			continue
		}
		return id, err
	}
}

// readHomeID reads the id of a home from its file. The error wraps fs.ErrNotExist if there is none.
func readHomeID(path string) (string, error) {
	b, err := regular.ReadHere(path)
	if err != nil {
		return "", err
	}
	id, err := uuid.Parse(strings.TrimSpace(string(b)))
	if err != nil {
		return "", fmt.Errorf("%s holds no UUID: remove it, and run \"qme mirror rebuild\"", path)
	}
	return id.String(), nil
}

// makeHomeID creates the file, or keeps the one that another process has created.
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

// CatchUpMirror updates the mirror, or rebuilds it if rebuild is true. It also rebuilds a damaged
// file that belongs to the home. progress, if not nil, is called with the number of tasks so
// far.
func (q *Service) CatchUpMirror(ctx context.Context, t *target.Target, rebuild bool, progress func(int)) (mirror.Applied, error) {
	s, err := q.Store()
	if err != nil {
		return mirror.Applied{}, err
	}
	for again := false; ; again = true {
		applied, err := q.catchUpOnce(ctx, t, s, rebuild, progress)
		if !errors.Is(err, mirror.ErrDamaged) || !t.Own || again {
			return applied, err
		}
		if err := removeMirror(t); err != nil {
			return applied, err
		}
	}
}

func (q *Service) catchUpOnce(ctx context.Context, t *target.Target, h mirror.History, rebuild bool, progress func(int)) (mirror.Applied, error) {
	m, err := q.OpenMirror(t)
	if err != nil {
		return mirror.Applied{}, err
	}
	defer m.Close()
	if rebuild {
		return m.Rebuild(ctx, h, progress)
	}
	return m.CatchUp(ctx, h, progress)
}

// removeMirror removes a damaged file that belongs to the home.
func removeMirror(t *target.Target) error {
	for _, suffix := range []string{"-journal", "-wal", "-shm", ""} {
		if err := os.Remove(t.Path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// followInTurn updates the mirror until no commit is missing. If several processes call it at
// once, one of them does the work for all. If progress is not nil, it is called with the number
// of tasks so far, and a damaged file of the home is rebuilt. caughtUp reports whether this
// process has updated the mirror.
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
		// Another process that recorded a run meanwhile has left the update to this one,
		// because of the lock.
		head, err := s.Head()
		if err != nil || head == applied.Commit {
			return caughtUp, err
		}
	}
}

// MirrorLog returns the log of failed updates of the mirror.
func (q *Service) MirrorLog() Log { return Log{filepath.Join(q.Home, "mirror.log")} }

// followLimit is how long a command waits for the mirror after its own work.
const followLimit = 200 * time.Millisecond

// mirrorFollows updates the mirror after a change. It reports failures to the user, but not as
// an error, and does not delay the command: an update that takes too long or failed the last
// time is left to another process. The error says that the mirror is not known or that the
// process could not be started.
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

// noteBehind logs why the mirror could not be updated.
func (q *Service) noteBehind(why error) {
	if err := q.MirrorLog().Note(why); err != nil {
		q.tell("qme: %v", err)
	}
}

// tellBehind shows the mirror's log to the user, unless that was already done.
func (q *Service) tellBehind() {
	if q.Following.Behind == nil {
		return
	}
	if err := q.MirrorLog().Tell(q.Following.Behind); err != nil {
		q.tell("qme: %v", err)
	}
}

// stallLimit is the time without a write after which an update in the background ends. The
// whole update of a large history may take longer.
const stallLimit = 5 * time.Minute

var errStalled = fmt.Errorf("the database took nothing for %s", stallLimit)

// FollowMirror updates the mirror in a background process. It writes failures to MirrorLog; the
// error says that the log could not be written.
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
		return nil // the process that holds the lock reports the result
	}
	return q.MirrorLog().Clear()
}

// A MirrorState describes how far a mirror is up to date.
type MirrorState struct {
	Commit     string     // newest mirrored commit; "" for none
	Behind     Difference // changes that are not mirrored
	Unreadable int        // number of damaged records, which are not mirrored
	Schema     int64      // version of its tables; 0 for none
}

// MirrorState returns how far a mirror is up to date. It counts for at most limit, unless that is 0, and
// changes nothing.
func (q *Service) MirrorState(ctx context.Context, t *target.Target, limit time.Duration) (st MirrorState, err error) {
	s, err := q.Store()
	if err != nil {
		return st, err
	}
	head, err := s.Head()
	if err != nil {
		return st, err
	}
	if t.Kind == target.SQLite {
		if _, err := os.Stat(t.Path); errors.Is(err, fs.ErrNotExist) { // opening would create it
			st.Behind, err = differenceWithin(ctx, s, "", head, limit)
			return st, err
		}
	}
	id, err := readHomeID(filepath.Join(q.Home, homeIDFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return st, err
	}
	m, err := mirror.Open(t, mirror.Home{ID: id}) // without an id, of no home
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
			from = "" // the mirror will be rebuilt
		}
	}
	st.Commit, st.Unreadable, st.Schema = state.Commit, state.Unreadable, state.Schema
	st.Behind, err = differenceWithin(ctx, s, from, head, limit)
	return st, err
}
