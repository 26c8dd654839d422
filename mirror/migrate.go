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

func (m *Mirror) up(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations/"+m.dialect.folder)
	if err != nil {
		return err
	}
	opts := []goose.ProviderOption{goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true)}
	if m.dialect.locker != nil {
		locker, err := m.dialect.locker()
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(m.dialect.goose, m.db, files, opts...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// A lockerFunc makes what keeps two processes from making tables at once.
type lockerFunc func() (lock.SessionLocker, error)
