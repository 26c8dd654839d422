package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"qme/mirror/target"
)

var postgresDialect = dialect{
	folder: "postgres", goose: goose.DialectPostgres,
	lockSchema:   "SELECT CASE WHEN pg_advisory_lock(hashtext('qme_schema')) IS NULL THEN 0 ELSE 1 END",
	unlockSchema: "SELECT pg_advisory_unlock(hashtext('qme_schema'))",
	open:         openPostgres,
	numbered:     true, lockRow: " FOR UPDATE",
	conflict: onConflict, taken: "excluded.%s", keep: keepHome,
	checkDatabase: checkEncoding,
	readOnly:      "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
	time:          func(t time.Time) any { return t },
	noTable:       func(err error) bool { return isPostgres(err, "42P01") },
	damaged:       never,
	again:         func(err error) bool { return isPostgres(err, "40P01", "40001") },
	refused: func(err error) bool {
		var e *pgconn.PgError
		// 57 is an operator's intervention, 53 a lack of resources, 08 the connection.
		return errors.As(err, &e) && !slices.Contains([]string{"57", "53", "08"}, e.Code[:2])
	},
}

func openPostgres(t *target.Target, _ bool) (*sql.DB, error) {
	u := url.URL(*t.URL)
	u.Scheme = "postgresql"
	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		// The driver's own error may quote what it did not understand.
		return nil, fmt.Errorf("a parameter of the URL is wrong (those of libpq are known)")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectLimit
	}
	cfg.RuntimeParams["application_name"] = "qme"
	cfg.RuntimeParams["timezone"] = "UTC"
	return stdlib.OpenDB(*cfg), nil
}

func isPostgres(err error, codes ...string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

// checkEncoding refuses a database that has not all characters: one of them in the
// output of a command would stop the mirror for good.
func checkEncoding(ctx context.Context, db *sql.DB) error {
	var encoding string
	if err := db.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s, in which not every character can be stored: make one with CREATE DATABASE NAME ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}
