package mirror

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"

	"qme/mirror/target"
	"qme/record"
)

var mysqlDialect = dialect{
	folder: "mysql", goose: goose.DialectMySQL,
	lockSchema:   "SELECT GET_LOCK(CONCAT('qme_schema.', DATABASE()), 60)",
	unlockSchema: "DO RELEASE_LOCK(CONCAT('qme_schema.', DATABASE()))",
	open:         openMySQL,
	lockRow:      " FOR UPDATE",
	// Without gap locks, homes do not block each other.
	isolation: sql.LevelReadCommitted,
	conflict:  "ON DUPLICATE KEY UPDATE", taken: "VALUES(%s)", keep: "ON DUPLICATE KEY UPDATE uid = uid",
	grammar:     grammar{queries: []string{"select", "with", "values", "table", "explain", "describe", "desc", "show"}, mysql: true},
	types:       [...]string{record.Text: "MEDIUMTEXT", record.Integer: "BIGINT", record.Bytes: "BIGINT", record.Seconds: "DOUBLE", record.Moment: "DATETIME(6)", record.Flag: "BOOLEAN", record.Object: "LONGTEXT"},
	replaceView: orReplaceView,
	time:        func(t time.Time) any { return t },
	noTable:     func(err error) bool { return isMySQL(err, 1146, 1054) },
	damaged:     never,
	again:       func(err error) bool { return isMySQL(err, 1213, 1205) },
	relations:   mysqlRelations,
	// Missing privileges, and read-only servers.
	denied: func(err error) bool { return isMySQL(err, 1142, 1143, 1227, 1290, 1792, 1836) },
	refused: func(err error) bool {
		var e *mysql.MySQLError
		// The others are errors of the connection, the account, or a server shutdown.
		return errors.As(err, &e) && !isMySQL(err, 1040, 1044, 1045, 1049, 1053, 1129, 1130, 1152, 1203, 1226, 1317, 1927)
	},
}

func openMySQL(t *target.Target, _ bool) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.User = t.URL.User.Username()
	cfg.Passwd, _ = t.URL.User.Password()
	cfg.DBName = strings.TrimPrefix(t.URL.Path, "/")
	cfg.Net, cfg.Addr = "tcp", t.URL.Host
	if t.URL.Port() == "" {
		cfg.Addr = net.JoinHostPort(t.URL.Hostname(), "3306")
	}
	cfg.TLSConfig, cfg.Timeout = "preferred", connectLimit
	for name, values := range t.URL.Query() {
		switch value := values[len(values)-1]; name {
		case "socket":
			cfg.Net, cfg.Addr, cfg.TLSConfig = "unix", value, "false"
		case "password":
			cfg.Passwd = value
		case "tls":
			if !slices.Contains([]string{"true", "false", "preferred", "skip-verify"}, value) {
				return nil, errors.New("the parameter tls is true, false, preferred or skip-verify")
			}
			cfg.TLSConfig = value
		default:
			return nil, errors.New("the parameters of a mysql URL are socket, tls and password")
		}
	}
	cfg.ParseTime, cfg.Loc = true, time.UTC
	cfg.Params = map[string]string{"time_zone": "'+00:00'", "sql_mode": "'TRADITIONAL'"}
	cfg.MultiStatements = false             // a query is a single statement
	cfg.InterpolateParams = true            // one round trip for each statement, not three
	cfg.MaxAllowedPacket = 0                // the limit of the server
	cfg.Logger = log.New(io.Discard, "", 0) // its messages are in the errors, too
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(boundedConnector{connector}), nil
}

// A boundedConnector limits the time for a connection to a server that accepts it but
// does not answer. The driver's own timeout covers only the network.
type boundedConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c boundedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectLimit, errNoAnswer)
	defer cancel()
	conn, err := c.Connector.Connect(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errNoAnswer) {
		return nil, errNoAnswer
	}
	return conn, err
}

func isMySQL(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(numbers, e.Number)
}
