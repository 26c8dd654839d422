package mirror

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"qme/record"
)

// migrations holds the statements that create tables, in a folder of goose files for each
// kind of database. Released files never change. All other versions add columns, most of
// which are defined by record.Fields: see addColumns.
//
//go:embed migrations
var migrations embed.FS

// schemaTable is the table of applied versions.
const schemaTable = "qme_schema"

// errTables means that tables are missing or of an earlier version.
var errTables = errors.New("the tables are to be made")

// selectVersion selects the version of the tables.
const selectVersion = "SELECT COALESCE(MAX(version_id), 0) FROM " + schemaTable

// schema returns the version of the tables, 0 if there are none.
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

// known returns record.ErrNewerFormat for tables of a later version of qme.
func (m *Mirror) known(version int64) error {
	if version <= int64(m.tables.version) {
		return nil
	}
	return fmt.Errorf("%s: its tables have version %d, this version of qme knows up to %d: %w", m.target, version, m.tables.version, record.ErrNewerFormat)
}

// migrateAttempts is the number of attempts to create tables if other processes do so at
// the same time and the database has no lock for that.
const migrateAttempts = 8

// migrate brings the tables to the current version.
func (m *Mirror) migrate(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		version, err := m.schema(ctx)
		if err != nil || version == int64(m.tables.version) {
			return err
		}
		if version < int64(createdIn[len(createdIn)-1]) {
			err := m.checkForeign(ctx, version)
			if errors.Is(err, ErrForeign) && attempt < migrateAttempts && m.movedOn(ctx, version) {
				continue
			}
			if err != nil {
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

// movedOn reports whether another process has brought the tables to a later version than one that was
// read, so that they look otherwise than they would by it.
func (m *Mirror) movedOn(ctx context.Context, version int64) bool {
	now, err := m.schema(ctx)
	return err == nil && now > version
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
		// goose takes its own lock only after it has created its table, which is not
		// atomic in MySQL.
		unlock, err := m.lockSchema(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	if err := m.completeHalfMade(ctx); err != nil {
		return err
	}
	later := make([]*goose.Migration, 0, m.tables.version)
	for version := 2; version <= m.tables.version; version++ {
		add := func(ctx context.Context, tx *sql.Tx) error { return m.addColumns(ctx, tx, version) }
		if !slices.Contains(createdIn, version) {
			later = append(later, goose.NewGoMigration(int64(version), &goose.GoFunc{RunTx: add}, nil))
		}
	}
	p, err := goose.NewProvider(m.dialect.goose, m.db, files, goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(later...))
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, int64(m.tables.version))
	return m.dialect.explained(err)
}

// latestRuns is the FROM clause of the view of the latest runs.
const latestRuns = "FROM tasks JOIN runs ON runs.home_id = tasks.home_id AND runs.task_id = tasks.id AND runs.started = tasks.started AND runs.host = tasks.host"

// addColumns adds the columns of a version to the tables and the view, and causes all rows
// to be written again. In MySQL, which commits each step separately, an earlier attempt may
// have been interrupted.
func (m *Mirror) addColumns(ctx context.Context, tx *sql.Tx, version int) error {
	if lock := m.dialect.lockTables; lock != "" {
		if _, err := tx.ExecContext(ctx, lock); err != nil {
			return err
		}
	}
	var steps []string
	for _, t := range m.tables.all() {
		if t.since > version {
			continue
		}
		there, err := namesOf(ctx, tx, t.name)
		if err != nil {
			return err
		}
		for _, c := range t.columns {
			if c.since == version && !slices.Contains(there, c.name) {
				steps = append(steps, "ALTER TABLE "+t.name+" ADD COLUMN "+c.name+" "+m.dialect.types[c.kind])
			}
		}
	}
	view, err := m.newView(ctx, tx, version)
	if err != nil {
		return err
	}
	for _, step := range append(steps, view, "UPDATE homes SET commit_id = ''") {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// newView returns the statement that adds the columns of a version to the view of the latest
// runs. PostgreSQL adds columns only at the end.
func (m *Mirror) newView(ctx context.Context, tx *sql.Tx, version int) (string, error) {
	view, err := namesOf(ctx, tx, "latest_runs")
	if err != nil {
		return "", err
	}
	for _, c := range slices.Concat(m.tables.runs.columns, m.tables.ofTask) {
		if c.since == version && !slices.Contains(view, c.name) {
			view = append(view, c.name)
		}
	}
	for i, name := range view {
		from := "runs"
		if slices.ContainsFunc(m.tables.ofTask, func(c column) bool { return c.name == name }) {
			from = "tasks"
		}
		view[i] = from + "." + name + " AS " + name
	}
	return m.dialect.replaceView + " AS SELECT " + strings.Join(view, ", ") + " " + latestRuns, nil
}

// namesOf returns the columns of a table or view.
func namesOf(ctx context.Context, tx *sql.Tx, table string) (names []string, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	names, err = rows.Columns()
	return names, errors.Join(err, rows.Close())
}

// completeHalfMade inserts the first row into an empty table of versions. goose expects
// this row, but in MySQL a process may be killed between creating the table and inserting
// it.
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

// lockSchema waits until no other process creates tables. The lock is held by a
// connection of its own and ends with it.
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
