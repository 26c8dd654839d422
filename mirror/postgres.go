package mirror

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"qme/mirror/target"
	"qme/record"
)

var postgresDialect = dialect{
	folder: "postgres", goose: goose.DialectPostgres,
	open:     openPostgres,
	numbered: true, unprepared: true, lockRow: " FOR UPDATE",
	conflict: onConflict, taken: "excluded.%s", keep: keepHome,
	checkDatabase: checkEncoding, lockTables: "LOCK TABLE homes IN ACCESS EXCLUSIVE MODE",
	grammar:     grammar{queries: []string{"select", "with", "values", "table", "explain", "show"}, nested: true},
	types:       [...]string{record.Text: "TEXT", record.Integer: "BIGINT", record.Bytes: "BIGINT", record.Seconds: "DOUBLE PRECISION", record.Moment: "TIMESTAMPTZ", record.Flag: "BOOLEAN", record.Object: "JSON"},
	replaceView: orReplaceView,
	time:        func(t time.Time) any { return t },
	relations:   postgresRelations,
	explain:     explainPostgres,
	noTable:     func(err error) bool { return isPostgres(err, "42P01", "42703") },
	damaged:     never,
	again:       func(err error) bool { return isPostgres(err, "40P01", "40001") },
	denied: func(err error) bool {
		var connect *pgconn.ConnectError
		// 25006 is a read-only server, such as a replica.
		return isPostgres(err, "42501", "25006") && !errors.As(err, &connect)
	},
	refused: func(err error) bool {
		var e *pgconn.PgError
		// Class 57 is operator intervention, 53 lack of resources, 08 the connection. But
		// 57014 is a query that took too long, and 08P01 one that needs parameters.
		return errors.As(err, &e) && (!slices.Contains([]string{"57", "53", "08"}, e.Code[:2]) || isPostgres(err, "57014", "08P01"))
	},
}

func openPostgres(t *target.Target, readOnly bool) (*sql.DB, error) {
	u := url.URL(*t.URL)
	u.Scheme = "postgresql"
	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		// The error of the driver may quote the invalid text.
		return nil, fmt.Errorf("a parameter of the URL is wrong (those of libpq are known)")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectLimit
	}
	// Regardless of the URL, execute one statement at a time, and none with a name, which
	// a pooler would keep for the next client.
	cfg.DefaultQueryExecMode, cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity = pgx.QueryExecModeExec, 0, 0
	cfg.RuntimeParams["application_name"] = "qme"
	cfg.RuntimeParams["timezone"] = "UTC"
	if readOnly {
		return stdlib.OpenDB(*cfg), nil
	}
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if ctx.Value(connecting{}) == nil {
			return nil, errors.New("nothing is cancelled at the server")
		}
		return dial(ctx, network, address)
	}
	return sql.OpenDB(quietConnector{stdlib.GetConnector(*cfg)}), nil
}

// A quietConnector makes connections that close without sending a cancel request to the
// server. After a run the end of the process would cut that request off, which crashes
// pgbouncer 1.18. The operations of the mirror are short anyway.
type quietConnector struct{ driver.Connector }

// connecting marks the context of an intended connection.
type connecting struct{}

// Connect implements driver.Connector.
func (c quietConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return c.Connector.Connect(context.WithValue(ctx, connecting{}, true))
}

// cancelLimit is the time limit for cancelling a query at the server.
const cancelLimit = 2 * time.Second

// ending returns a function for use after a query is interrupted. It waits until the
// server has been told to cancel the query; otherwise the server would continue it.
func ending(conn *sql.Conn) (wait func(), err error) {
	var done <-chan struct{}
	err = conn.Raw(func(c any) error {
		if pg, ok := c.(*stdlib.Conn); ok {
			done = pg.Conn().PgConn().CleanupDone()
		}
		return nil
	})
	return func() {
		if done == nil {
			return
		}
		select {
		case <-done:
		case <-time.After(cancelLimit):
		}
	}, err
}

func isPostgres(err error, codes ...string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

// checkEncoding returns an error if the database cannot store all characters: one such
// character in an output would stop the mirror for good.
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

// explainPostgres returns advice if the user may not create tables: since version 15, the
// schema public no longer allows that to every user.
func explainPostgres(err error) string {
	if isPostgres(err, "42501", "3F000") {
		return "an administrator can let the user make tables, by GRANT CREATE ON SCHEMA public TO …, or a schema of the user's own is named in the URL, by ?search_path=NAME"
	}
	return ""
}
