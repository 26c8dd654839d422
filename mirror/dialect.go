package mirror

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"qme/mirror/target"
	"qme/record"
)

// A dialect holds the differences between databases.
type dialect struct {
	folder string // of the migrations
	goose  goose.Dialect
	// lockSchema waits for the lock for creating tables, and returns 1 if it was
	// acquired; unlockSchema releases it. They are "" if tables are created in one
	// transaction, in which case one of several concurrent attempts succeeds.
	lockSchema, unlockSchema string
	// lockTables begins a transaction that adds columns, so that others that do so wait there, and none for the other; "" where that is not needed.
	lockTables string
	// open returns a handle, with readOnly one that cannot change anything.
	open func(t *target.Target, readOnly bool) (*sql.DB, error)
	// numbered says that placeholders are $1, $2 … instead of ?.
	numbered bool
	// lockRow is appended to a SELECT to lock the row.
	lockRow string
	// conflict begins the clause of an INSERT that updates an existing row; its argument
	// is the key. taken is the new value of a column.
	conflict, taken string
	// keep ends an INSERT into homes that leaves an existing row unchanged.
	keep string
	// isolation is the isolation level of writing transactions.
	isolation sql.IsolationLevel
	// checkDatabase returns an error if no tables can be created in a database; nil means
	// that every database is suitable.
	checkDatabase func(context.Context, *sql.DB) error
	// unprepared says that prepared statements outlive their transaction, so that they
	// must not be used.
	unprepared bool
	// grammar is the grammar of queries.
	grammar grammar
	// relations is a statement that lists the relations with given names.
	relations string
	// explain returns advice about an error in creating tables, "" if there is none.
	explain func(error) string
	// indexLater says that indexes are created after an empty table has been filled.
	indexLater bool
	// types are the types of columns by kind.
	types [record.Object + 1]string
	// replaceView begins the statement that gives the view of the latest runs other columns.
	replaceView string
	// time converts a time to the value of a column.
	time func(time.Time) any
	// These functions classify errors: noTable, a table or column is missing, or a table
	// is not ours; damaged, the file is damaged; again, the transaction conflicted with
	// another one; denied, the user lacks the right to write; refused, the server
	// rejected the statement.
	noTable, damaged, again, denied, refused func(error) bool
}

// explained adds advice to an error in creating tables.
func (d *dialect) explained(err error) error {
	if err == nil || d.explain == nil || d.explain(err) == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, d.explain(err))
}

var dialects = map[target.Kind]*dialect{
	target.SQLite:   &sqliteDialect,
	target.Postgres: &postgresDialect,
	target.MySQL:    &mysqlDialect,
}

// connectLimit is the time limit for the first answer of a server.
const connectLimit = 15 * time.Second

var errNoAnswer = fmt.Errorf("no answer within %s", connectLimit)

func never(error) bool { return false }

// bind replaces the question marks in a statement by the placeholders of the database.
func (d *dialect) bind(statement string) string {
	if !d.numbered {
		return statement
	}
	var b strings.Builder
	n := 0
	for _, c := range statement {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

// upsert returns a statement that writes a number of rows of a table and replaces rows
// with the same key.
func (d *dialect) upsert(t *table, rows int) string {
	names := t.names(math.MaxInt)
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") + ")"
	var set []string
	for _, c := range names[min(t.keys, len(names)-1):] { // one is needed, be it of the key
		set = append(set, c+" = "+fmt.Sprintf(d.taken, c))
	}
	conflict := d.conflict
	if strings.Contains(conflict, "%s") {
		conflict = fmt.Sprintf(conflict, strings.Join(names[:t.keys], ", "))
	}
	values := strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ")
	return d.bind("INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") VALUES " + values +
		" " + conflict + " " + strings.Join(set, ", "))
}

// onConflict is the conflict clause of standard databases.
const onConflict = "ON CONFLICT (%s) DO UPDATE SET"

// orReplaceView is the replaceView clause of databases that can do it in one statement.
const orReplaceView = "CREATE OR REPLACE VIEW latest_runs"

// keepHome is the keep clause of standard databases.
const keepHome = "ON CONFLICT (uid) DO NOTHING"
