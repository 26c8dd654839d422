package mirror

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"qme/record"
)

// migrations holds a folder for each kind of database, with files that goose reads.
// What is released is never changed: a later version is a further file.
//
//go:embed migrations
var migrations embed.FS

const (
	// schemaVersion is the number of the newest file in each folder.
	schemaVersion = 1
	// schemaTable holds which files have been applied.
	schemaTable = "qme_schema"
)

// schema returns the version of the tables, 0 when there are none.
func (m *Mirror) schema(ctx context.Context) (int64, error) {
	var version int64
	err := m.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+schemaTable).Scan(&version)
	if err != nil && m.dialect.noTable(err) {
		return 0, nil
	}
	if err == nil && version > schemaVersion {
		err = fmt.Errorf("%s: its tables have version %d, this version of qme knows up to %d: %w", m.target, version, schemaVersion, record.ErrNewerFormat)
	}
	return version, err
}

// migrateAttempts is how often tables are made that others make at the same time,
// where the database has no lock for that.
const migrateAttempts = 8

// migrate makes the tables what this version needs.
func (m *Mirror) migrate(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		version, err := m.schema(ctx)
		if err != nil || version == schemaVersion {
			return err
		}
		err = m.up(ctx)
		if err == nil || attempt == migrateAttempts || m.dialect.locker != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(rand.N(50 * time.Millisecond)):
		}
	}
}

func (m *Mirror) up(ctx context.Context) (err error) {
	files, err := fs.Sub(migrations, "migrations/"+m.dialect.folder)
	if err != nil {
		return err
	}
	if m.dialect.locker != nil {
		// goose itself takes the lock only after it has made its own table, which is
		// no single step in MySQL.
		unlock, err := m.lockSchema(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	p, err := goose.NewProvider(m.dialect.goose, m.db, files, goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// lockSchema waits until nobody else makes tables. The connection that holds the lock
// is one of its own.
func (m *Mirror) lockSchema(ctx context.Context) (unlock func() error, err error) {
	locker, err := m.dialect.locker()
	if err != nil {
		return nil, err
	}
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := locker.SessionLock(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return func() error {
		return errors.Join(locker.SessionUnlock(context.WithoutCancel(ctx), conn), conn.Close())
	}, nil
}

// A lockerFunc makes what keeps two processes from making tables at once.
type lockerFunc func() (lock.SessionLocker, error)
