// Package mirror copies the task history into a relational database: sqlite, PostgreSQL,
// or MySQL and MariaDB. docs/mirror.md describes the tables.
//
// All data of a mirror comes from histories. Each home has a row with the commit up to
// which it is mirrored. A catch-up writes its changes and that row in one transaction, so
// that after a failure no run is missing or duplicated.
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

// The errors of a mirror. They wrap the error of the driver, which never contains a
// password.
var (
	// ErrUnreachable means that the database cannot be reached, rejects the login, or has
	// disconnected.
	ErrUnreachable = errors.New("the database of the mirror cannot be used")
	// ErrQuery means that the database rejects a query.
	ErrQuery = errors.New("the database refuses the query")
	// ErrDamaged means that a sqlite file is damaged or is not a sqlite database.
	ErrDamaged = errors.New("the database is damaged, or is no sqlite database")
)

// A History is the history to be mirrored. Its methods, and those of the values of
// Differences, must be safe for concurrent use.
type History interface {
	// Head returns the newest commit.
	Head() (string, error)
	// IsAncestor reports whether commit is of or one of its ancestors. It returns false
	// for a commit that the history does not have.
	IsAncestor(ctx context.Context, commit, of string) (bool, error)
	// Differences yields the tasks that differ between two commits; an empty from is a
	// history without tasks. It stops after the first error.
	Differences(ctx context.Context, from, to string) iter.Seq2[record.Difference, error]
	// Get returns the record of a task as of a commit.
	Get(commit string, id record.ID) (*record.Record, error)
	// Part returns a part of a record that was read from a commit. The error wraps
	// record.ErrPartElsewhere if the part is in another home.
	Part(commit string, r *record.Record, name record.PartName) ([]byte, error)
}

// A Home identifies the home whose history is mirrored.
type Home struct {
	// ID is permanent and unique among the homes in a database.
	ID string
	// Name is a name for display, such as USER@MACHINE:FOLDER.
	Name string
}

// A Mirror is a database that mirrors a home, possibly together with other homes. It must
// not be used concurrently.
type Mirror struct {
	target  *target.Target
	home    Home
	db      *sql.DB
	dialect *dialect
	tables  *tables
}

// Open prepares a mirror. It does not connect to the database. A missing sqlite file is
// created at the first use.
func Open(t *target.Target, home Home) (*Mirror, error) {
	d := dialects[t.Kind]
	db, err := d.open(t, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", t, ErrUnreachable, err)
	}
	db.SetMaxOpenConns(2) // the migrations of MySQL hold a lock with one of them
	return &Mirror{target: t, home: home, db: db, dialect: d, tables: tablesOf(record.Fields)}, nil
}

// Close closes the connections.
func (m *Mirror) Close() error { return m.db.Close() }

// Applied describes the result of a catch-up.
type Applied struct {
	Commit     string // up to which the history is mirrored now
	Tasks      int    // number of tasks written or removed
	Unreadable []error
	// Anew says that all rows of the home were written, since it had none or they were of
	// another history.
	Anew bool
}

// attempts is the maximal number of attempts of a transaction that finds no tables or
// conflicts with another one.
const attempts = 6

// CatchUp updates the mirror to the newest commit in a single transaction, which is
// rolled back if ctx ends. Unreadable records are left out and listed in Applied.
// progress, if not nil, is called with the number of tasks so far.
func (m *Mirror) CatchUp(ctx context.Context, h History, progress func(tasks int)) (Applied, error) {
	return m.catchUp(ctx, h, false, progress)
}

// Rebuild is like CatchUp, but replaces all rows of the home.
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

// failed wraps an error of the database in one of this package.
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

// A historyError is an error of the history, not of the database.
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

// A State is the state of a mirror.
type State struct {
	Schema int64 // the version of the tables; 0: there are none
	// Commit is the newest mirrored commit, "" if there is none.
	Commit string
	// Unreadable counts the records that were left out.
	Unreadable int
}

// State reads the state of the mirror. It changes nothing, and returns an error if the
// database does not answer within 15 seconds.
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
