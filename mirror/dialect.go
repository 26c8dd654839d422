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

// A dialect is what differs between databases.
type dialect struct {
	folder string // of the migrations
	goose  goose.Dialect
	// lockSchema waits for the lock of those who make tables, and gives 1 when it has
	// it; unlockSchema lets go. They are "" where tables are made in one transaction: of
	// those who make them at the same time one succeeds.
	lockSchema, unlockSchema string
	// open returns a handle; readOnly is for one that can change nothing.
	open func(t *target.Target, readOnly bool) (*sql.DB, error)
	// numbered says that placeholders are $1, $2 … instead of ?.
	numbered bool
	// lockRow follows a SELECT of a row that is to be changed.
	lockRow string
	// conflict begins what an INSERT does with a row that is there; a key goes into
	// it, and taken is the new value of a column.
	conflict, taken string
	// keep ends an INSERT into homes that leaves a row which is there as it is.
	keep string
	// isolation of a transaction that writes.
	isolation sql.IsolationLevel
	// checkDatabase says why no tables can be made in a database; nil where all can.
	checkDatabase func(context.Context, *sql.DB) error
	// unprepared says that a prepared statement outlives its transaction.
	unprepared bool
	// grammar is of queries.
	grammar grammar
	// relations is a statement that lists relations by their names.
	relations string
	// explain says more of an error in making tables; "" for nothing.
	explain func(error) string
	// indexLater says that indexes are made when an empty table has been filled.
	indexLater bool
	// types are those of columns.
	types [record.Object + 1]string
	// fixedViews says that a view keeps the columns that its table had when it was made.
	fixedViews bool
	// time returns what a column for a time takes.
	time func(time.Time) any
	// noTable, damaged, again, denied and refused classify errors: a table is missing, or
	// is not ours; the file is damaged; another transaction was in the way; the user has
	// not the right to write; the server has understood and says no.
	noTable, damaged, again, denied, refused func(error) bool
}

// explained adds to an error in making tables what can be done about it.
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

// connectLimit is how long a server may take to answer at all.
const connectLimit = 15 * time.Second

var errNoAnswer = fmt.Errorf("no answer within %s", connectLimit)

func never(error) bool { return false }

// bind writes the placeholders of a statement, each a question mark, as the database
// has them.
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

// upsert returns the statement that writes a number of rows of a table, in place of
// those of the same key.
func (d *dialect) upsert(t *table, rows int) string {
	names := t.names(math.MaxInt)
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") + ")"
	var set []string
	for _, c := range names[t.keys:] {
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

// onConflict is the conflict of SQL's own kind.
const onConflict = "ON CONFLICT (%s) DO UPDATE SET"

// keepHome is the keep of SQL's own kind.
const keepHome = "ON CONFLICT (uid) DO NOTHING"
