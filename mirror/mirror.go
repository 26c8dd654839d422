// Package mirror copies the task history into a relational database: sqlite,
// PostgreSQL, or MySQL and MariaDB. docs/mirror.md describes the tables.
//
// A mirror holds nothing of its own. Each home has a row that names the commit up to
// which it is mirrored, and what a catch-up changes is written in one transaction
// with that row: whatever dies in between, a run is there once or not yet.
package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"qme/mirror/target"
	"qme/record"
)

// The errors of a mirror. They are wrapped with the driver's own, none of which
// holds a password.
var (
	// ErrUnreachable says that the database cannot be reached, refuses the user, or
	// has gone in the middle.
	ErrUnreachable = errors.New("the database of the mirror cannot be used")
	// ErrQuery says that the database does not accept a query.
	ErrQuery = errors.New("the database refuses the query")
	// ErrDamaged says that a sqlite file is damaged or is none.
	ErrDamaged = errors.New("the database is damaged, or is no sqlite database")
)

// A History is what a mirror follows. Its methods, and those of what Differences
// yields, may be called from several goroutines.
type History interface {
	// Head returns the newest commit.
	Head() (string, error)
	// IsAncestor says whether the commit of has a commit in its history. It is false for one
	// that the history does not have.
	IsAncestor(ctx context.Context, commit, of string) (bool, error)
	// Differences yields the tasks that differ between two commits; an empty from is
	// a history without tasks. It ends at the first error.
	Differences(ctx context.Context, from, to string) iter.Seq2[record.Difference, error]
	// Get returns a task's record as of a commit.
	Get(commit string, id record.ID) (*record.Record, error)
}

// A Home is whose history is mirrored.
type Home struct {
	// ID tells it from other homes in the same database, for ever.
	ID string
	// Name is for people, such as USER@MACHINE:FOLDER.
	Name string
}

// A Mirror is a database that mirrors one home, among others perhaps. It is for one
// goroutine.
type Mirror struct {
	target  *target.Target
	home    Home
	db      *sql.DB
	dialect *dialect
	tables  *tables
}

// Open prepares a mirror. The database is reached when it is used first; a sqlite
// file that is not there is made then.
func Open(t *target.Target, home Home) (*Mirror, error) {
	d := dialects[t.Kind]
	db, err := d.open(t, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", t, ErrUnreachable, err)
	}
	db.SetMaxOpenConns(2) // MySQL's migrations hold a lock by one of them
	return &Mirror{target: t, home: home, db: db, dialect: d, tables: tablesOf(record.Fields)}, nil
}

// Close closes the connections.
func (m *Mirror) Close() error { return m.db.Close() }

// Applied says what a catch-up did.
type Applied struct {
	Commit     string // up to which the history is mirrored now
	Tasks      int    // how many were written or removed
	Unreadable []error
	// Anew says that the home's rows were made anew, as there were none or they were
	// of another history.
	Anew bool
}

// attempts is how often a transaction is tried that finds no tables, or that the
// database ends because of another.
const attempts = 6

// CatchUp brings the mirror up to the newest commit, all of it in one transaction,
// which the end of ctx undoes. A record that cannot be read is left out, and named
// in Applied. progress, if not nil, is told of the tasks so far.
func (m *Mirror) CatchUp(ctx context.Context, h History, progress func(tasks int)) (Applied, error) {
	return m.catchUp(ctx, h, false, progress)
}

// Rebuild is CatchUp from nothing: the home's rows are replaced.
func (m *Mirror) Rebuild(ctx context.Context, h History, progress func(tasks int)) (Applied, error) {
	return m.catchUp(ctx, h, true, progress)
}

func (m *Mirror) catchUp(ctx context.Context, h History, anew bool, progress func(int)) (Applied, error) {
	for attempt := 1; ; attempt++ {
		done, err := m.apply(ctx, h, anew, progress)
		switch {
		case err == nil:
			return done, nil
		case ctx.Err() != nil || attempt == attempts:
			return Applied{}, m.failed(ctx, err)
		case errors.Is(err, errTables):
			if err := m.migrate(ctx); err != nil {
				return Applied{}, m.failed(ctx, err)
			}
		case !m.dialect.again(err):
			return Applied{}, m.failed(ctx, err)
		}
	}
}

// failed gives an error of the database one of the package's own.
func (m *Mirror) failed(ctx context.Context, err error) error {
	var history *historyError
	switch {
	case errors.Is(context.Cause(ctx), errNoAnswer):
		return fmt.Errorf("%s: %w: %w", m.target, ErrUnreachable, errNoAnswer)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", m.target, ctx.Err())
	case errors.As(err, &history):
		return history.err
	case errors.Is(err, record.ErrNewerFormat), errors.Is(err, ErrForeign):
		return err
	case m.dialect.damaged(err):
		return fmt.Errorf("%s: %w: %w", m.target, ErrDamaged, err)
	case m.dialect.denied(err):
		return fmt.Errorf("%s: %w: %w", m.target, ErrDenied, err)
	}
	return fmt.Errorf("%s: %w: %w", m.target, ErrUnreachable, err)
}

// A historyError is one of the history, and not of the database.
type historyError struct{ err error }

// Error implements error.
func (e *historyError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *historyError) Unwrap() error { return e.err }

func ofHistory(err error) error {
	if err == nil {
		return nil
	}
	return &historyError{err}
}

// A State is how far a mirror is.
type State struct {
	Schema int64 // the version of the tables; 0 when there are none
	// Commit is the newest one that is mirrored, "" when nothing is.
	Commit string
	// Unreadable counts records that were left out.
	Unreadable int
}

// State reads how far the mirror is. It changes nothing, and gives up a database that
// does not answer within 15 seconds.
func (m *Mirror) State(ctx context.Context) (State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectLimit, errNoAnswer)
	defer cancel()
	var st State
	version, err := m.schema(ctx)
	if err != nil || version == 0 {
		return st, m.stateError(ctx, err)
	}
	st.Schema = version
	err = m.db.QueryRowContext(ctx, m.dialect.bind("SELECT commit_id, unreadable FROM homes WHERE uid = ?"), m.home.ID).Scan(&st.Commit, &st.Unreadable)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return st, m.stateError(ctx, err)
}

func (m *Mirror) stateError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return m.failed(ctx, err)
}
