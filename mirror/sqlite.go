package mirror

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"qme/internal/regular"
	"qme/mirror/target"
	"qme/record"
)

var sqliteDialect = dialect{
	folder: "sqlite", goose: goose.DialectSQLite3,
	open:     openSQLite,
	conflict: onConflict, taken: "excluded.%s", keep: keepHome,
	indexLater:  true,
	grammar:     grammar{queries: []string{"select", "with", "values", "explain", "pragma"}, brackets: true, several: true},
	types:       [...]string{record.Text: "TEXT", record.Integer: "INTEGER", record.Bytes: "INTEGER", record.Seconds: "REAL", record.Moment: "TEXT", record.Flag: "BOOLEAN", record.Object: "TEXT"},
	replaceView: "DROP VIEW latest_runs; CREATE VIEW latest_runs",
	time:        func(t time.Time) any { return t.Format(timeLayout) },
	relations:   sqliteRelations,
	noTable: func(err error) bool {
		return strings.Contains(err.Error(), "no such table") || strings.Contains(err.Error(), "no such column")
	},
	denied:  func(err error) bool { return isSQLite(err, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) },
	damaged: func(err error) bool { return isSQLite(err, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) },
	again:   never,
	refused: func(err error) bool {
		var e *sqlite.Error
		return !errors.As(err, &e) || // an error of the driver, such as a parameter without a value
			isSQLite(err, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG)
	},
}

// sqliteOptions do not use a write-ahead log, which does not work on network file
// systems, although readers then block a writer.
const sqliteOptions = "_txlock=immediate&_journal_mode=PERSIST&_synchronous=NORMAL&_pragma=journal_size_limit(65536)&_pragma=cache_size(-16384)"

func openSQLite(t *target.Target, readOnly bool) (*sql.DB, error) {
	// sqlite opens these files itself, and would block on a FIFO.
	for _, beside := range []string{"", "-journal", "-wal", "-shm"} {
		if info, err := os.Stat(t.Path + beside); err == nil && !info.Mode().IsRegular() {
			return nil, &regular.Error{Path: t.Path + beside, Mode: info.Mode()}
		}
	}
	dsn := "file:" + (&url.URL{Path: t.Path}).EscapedPath() + "?"
	if readOnly {
		return sql.OpenDB(sqliteConnector{dsn + "mode=ro&_query_only=1"}), nil
	}
	// sqlite itself would create a file that others can read.
	f, err := regular.OpenHere(t.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) { // it may still be readable
		return sql.OpenDB(sqliteConnector{dsn + "mode=ro"}), nil
	}
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return sql.OpenDB(sqliteConnector{dsn + sqliteOptions}), nil
}

// A sqliteConnector opens a file as soon as no other process keeps it locked. Statements
// wait until their context ends. Opening by the driver reads the file, too, but ignores
// the context, so it gets a short timeout and is retried.
type sqliteConnector struct{ dsn string }

// Driver implements driver.Connector.
func (sqliteConnector) Driver() driver.Driver { return &sqlite.Driver{} }

// Connect implements driver.Connector.
func (c sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	for {
		conn, err := c.Driver().Open(c.dsn + "&_busy_timeout=20")
		if err == nil {
			_, err = conn.(driver.ExecerContext).ExecContext(ctx, "PRAGMA busy_timeout = 2147483647", nil)
			if err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return conn, nil
		}
		if !isSQLite(err, sqlite3.SQLITE_BUSY) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func isSQLite(err error, codes ...int) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code()&0xff == c {
			return true
		}
	}
	return false
}
