package services

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"qme/tests/require"
)

// PgBouncer starts a pooler before a PostgreSQL server, or ends the test where it is not
// there. It lends one connection to a server to all its clients, each for a transaction,
// and resets nothing in between.
func PgBouncer(t testing.TB, behind *Server) *Server {
	t.Helper()
	require.Component(t, "pgbouncer")
	s := newServer(t, "pgbouncer", "postgresql", "pgx", "postgres")
	s.crash = syscall.SIGKILL
	ini := filepath.Join(s.dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=%s password='%s'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
`, behind.port, User, Password, strconv.Itoa(s.port))
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.args = []string{ini}
	s.Start()
	return s
}
