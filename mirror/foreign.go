package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrForeign says that a database has tables of the same names that are not ours.
var ErrForeign = errors.New("the database is used by another program")

// ErrDenied says that a database does not let its user change the mirror, which may still
// be read.
var ErrDenied = errors.New("the database does not let this user change the mirror")

// first are the tables and the view of version 1 with their columns. No later
// version matters here: they are made one after the other.
func (t *tables) first() map[string][]string {
	return map[string][]string{
		"homes":       {"id", "uid", "name", "commit_id", "unreadable", "updated"},
		"tasks":       t.tasks.names(1),
		"runs":        t.runs.names(1),
		"latest_runs": append(t.runs.names(1), "created"),
	}
}

// firstIndexes are those whose names must be free in a database where they are not only
// those of a table.
var firstIndexes = []string{"runs_started", "runs_executor", "runs_returncode", "runs_host", "runs_username", "runs_pwd"}

// The statements that list what is there of some names, each with its columns, a row for
// each. %s are the names; in PostgreSQL types have theirs among those of tables.
const (
	postgresRelations = `SELECT c.relname::text, COALESCE(a.attname::text, '') FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND c.relname IN (%[1]s)
UNION ALL SELECT typname::text, '' FROM pg_type
WHERE typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND typname IN (%[1]s) AND typrelid = 0`
	mysqlRelations  = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN (%s)`
	sqliteRelations = `SELECT lower(m.name), COALESCE(c.name, '') FROM sqlite_master m LEFT JOIN pragma_table_info(m.name) c WHERE lower(m.name) IN (%s)`
)

// checkForeign refuses a database in which the names of our tables are taken by others,
// before anything is made in it. Those that are ours are there when others make them at
// this moment or, in MySQL, when that was cut off.
func (m *Mirror) checkForeign(ctx context.Context) error {
	there, err := m.relations(ctx)
	if err != nil {
		return err
	}
	for name, columns := range m.tables.first() {
		if got, ok := there[name]; ok && !sameNames(got, columns) {
			return m.foreign(name)
		}
	}
	for _, name := range firstIndexes {
		if _, ok := there[name]; ok && there["runs"] == nil {
			return m.foreign(name)
		}
	}
	return nil
}

func (m *Mirror) foreign(name string) error {
	return fmt.Errorf("%s: %w: it has %q that qme has not made", m.target, ErrForeign, name)
}

// relations returns what the database has of the names of our tables and indexes, with
// the columns.
func (m *Mirror) relations(ctx context.Context) (map[string][]string, error) {
	var names []string
	for name := range m.tables.first() {
		names = append(names, "'"+name+"'")
	}
	for _, name := range firstIndexes {
		names = append(names, "'"+name+"'")
	}
	rows, err := m.db.QueryContext(ctx, fmt.Sprintf(m.dialect.relations, strings.Join(names, ", ")))
	if err != nil {
		return nil, err
	}
	there := map[string][]string{}
	for rows.Next() {
		var name, column string
		if err := rows.Scan(&name, &column); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		there[name] = append(there[name], column)
	}
	return there, errors.Join(rows.Err(), rows.Close())
}

// sameNames compares lists whatever their order.
func sameNames(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
