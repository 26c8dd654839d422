package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrForeign means that a database has tables of another program with the names of ours.
var ErrForeign = errors.New("the database is used by another program")

// ErrDenied means that the database user may not change the mirror. Reading may still be
// possible.
var ErrDenied = errors.New("the database does not let this user change the mirror")

// A relation is a table or view as it is when it is created.
type relation struct {
	columns []string
	since   int // the version of the tables that creates it
}

// first returns the tables and the view with the columns that they have when they are
// created. Columns that were added later do not matter here.
func (t *tables) first() map[string]relation {
	first := map[string]relation{
		"homes":       {[]string{"id", "uid", "name", "commit_id", "unreadable", "updated"}, 1},
		"latest_runs": {append(t.runs.names(1), "created"), 1},
	}
	for _, one := range t.all() {
		first[one.name] = relation{one.names(one.since), one.since}
	}
	return first
}

// firstIndexes are the indexes whose names must be free in databases where index names
// are not local to a table, each with its table.
var firstIndexes = map[string]string{
	"runs_started": "runs", "runs_executor": "runs", "runs_returncode": "runs", "runs_host": "runs", "runs_username": "runs", "runs_pwd": "runs",
	"files_sha256": "files", "tags_tag": "tags", "notes_written": "notes",
}

// These statements list the relations with given names, with a row for each column. %s
// are the names. In PostgreSQL, types share their namespace with tables.
const (
	postgresRelations = `SELECT c.relname::text, COALESCE(a.attname::text, '') FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND c.relname IN (%[1]s)
UNION ALL SELECT typname::text, '' FROM pg_type
WHERE typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND typname IN (%[1]s) AND typrelid = 0`
	mysqlRelations  = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN (%s)`
	sqliteRelations = `SELECT lower(m.name), COALESCE(c.name, '') FROM sqlite_master m LEFT JOIN pragma_table_info(m.name) c WHERE lower(m.name) IN (%s)`
)

// checkForeign returns ErrForeign if another program uses the names of our tables, before
// any are created in tables of the given version. Tables with our columns are accepted:
// another process may be creating them, or, in MySQL, an earlier migration was interrupted.
func (m *Mirror) checkForeign(ctx context.Context, version int64) error {
	there, err := m.relations(ctx)
	if err != nil {
		return err
	}
	for name, of := range m.tables.first() {
		if got, ok := there[name]; ok && version < int64(of.since) && !sameNames(got, of.columns) {
			return m.foreign(name)
		}
	}
	for name, of := range firstIndexes {
		if _, ok := there[name]; ok && there[of] == nil {
			return m.foreign(name)
		}
	}
	return nil
}

func (m *Mirror) foreign(name string) error {
	return fmt.Errorf("%s: %w: it has %q that qme has not made", m.target, ErrForeign, name)
}

// relations returns those of our tables and indexes that exist in the database, with
// their columns.
func (m *Mirror) relations(ctx context.Context) (map[string][]string, error) {
	var names []string
	for name := range m.tables.first() {
		names = append(names, "'"+name+"'")
	}
	for name := range firstIndexes {
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

// sameNames compares two lists regardless of order.
func sameNames(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
