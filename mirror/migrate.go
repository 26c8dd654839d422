package mirror

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"

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

// errTables says that there are no tables, or those of an earlier version.
var errTables = errors.New("the tables are to be made")

// selectVersion asks for the version of the tables.
const selectVersion = "SELECT COALESCE(MAX(version_id), 0) FROM " + schemaTable

// schema returns the version of the tables, 0 when there are none.
func (m *Mirror) schema(ctx context.Context) (int64, error) {
	var version int64
	err := m.db.QueryRowContext(ctx, selectVersion).Scan(&version)
	if err != nil && m.dialect.noTable(err) {
		return 0, nil
	}
	if err == nil {
		err = m.known(version)
	}
	return version, err
}

// known refuses tables that a later version of qme has made.
func (m *Mirror) known(version int64) error {
	if version <= schemaVersion {
		return nil
	}
	return fmt.Errorf("%s: its tables have version %d, this version of qme knows up to %d: %w", m.target, version, schemaVersion, record.ErrNewerFormat)
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
		if version == 0 {
			if err := m.checkForeign(ctx); err != nil {
				return err
			}
		}
		err = m.up(ctx)
		if err == nil || attempt == migrateAttempts || m.dialect.lockSchema != "" || m.dialect.denied(err) {
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
	if check := m.dialect.checkDatabase; check != nil {
		if err := check(ctx, m.db); err != nil {
			return err
		}
	}
	if m.dialect.lockSchema != "" {
		// Those of goose itself come only after it has made its own table, which is
		// no single step in MySQL.
		unlock, err := m.lockSchema(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	if err := m.completeHalfMade(ctx); err != nil {
		return err
	}
	p, err := goose.NewProvider(m.dialect.goose, m.db, files, goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return m.dialect.explained(err)
}

// completeHalfMade gives the table of versions its first row where it is empty: a kill
// came between its making and that row, which goose takes for granted and MySQL does not
// join.
func (m *Mirror) completeHalfMade(ctx context.Context) error {
	var rows int
	err := m.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+schemaTable).Scan(&rows)
	switch {
	case err != nil && m.dialect.noTable(err):
		return nil
	case err != nil || rows > 0:
		return err
	}
	_, err = m.db.ExecContext(ctx, "INSERT INTO "+schemaTable+" (version_id, is_applied) VALUES (0, true)")
	return err
}

// lockSchema waits until nobody else makes tables. The connection that holds the lock
// is one of its own, and the lock goes with it.
func (m *Mirror) lockSchema(ctx context.Context) (unlock func() error, err error) {
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var got sql.NullInt64
	err = conn.QueryRowContext(ctx, m.dialect.lockSchema).Scan(&got)
	if err == nil && got.Int64 != 1 {
		err = errors.New("others are making the tables and do not come to an end")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return func() error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), m.dialect.unlockSchema)
		return errors.Join(err, conn.Close())
	}, nil
}
