package mirror

import (
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"qme/mirror/target"
)

var sqliteDialect = dialect{
	folder: "sqlite", goose: goose.DialectSQLite3,
	open:     openSQLite,
	conflict: onConflict, taken: "excluded.%s", keep: keepHome,
	indexLater: true,
	time:       func(t time.Time) any { return t.Format(timeLayout) },
	noTable:    func(err error) bool { return strings.Contains(err.Error(), "no such table") },
	damaged:    func(err error) bool { return isSQLite(err, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) },
	again:      never,
	refused: func(err error) bool {
		return isSQLite(err, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE)
	},
}

// sqliteOptions: a reader keeps a writer waiting, but the file may lie on a network
// file system, where a write-ahead log does not work. Those that wait do so as long
// as their context lets them.
const sqliteOptions = "_busy_timeout=600000&_txlock=immediate&_journal_mode=TRUNCATE&_synchronous=NORMAL&_pragma=cache_size(-16384)"

func openSQLite(t *target.Target, readOnly bool) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: t.Path}).EscapedPath() + "?"
	if readOnly {
		return sql.Open("sqlite", dsn+"mode=ro&_busy_timeout=600000&_query_only=1")
	}
	// sqlite itself would let others read it.
	f, err := os.OpenFile(t.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrPermission) { // it can still be read
		return sql.Open("sqlite", dsn+"mode=ro&_busy_timeout=600000")
	}
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return sql.Open("sqlite", dsn+sqliteOptions)
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
