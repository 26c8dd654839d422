// Package services starts database servers for tests: real ones, in a folder of the
// test, on a free port of the loopback interface. They end with the test.
package services

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"qme/tests/require"
)

// User and Password are those of an account that may do everything.
const (
	User     = "tester"
	Password = "geheim #/@%"
)

// A Server is a database server. Its methods are for the goroutine of the test.
type Server struct {
	t      testing.TB
	name   string // of the program
	dir    string
	port   int
	scheme string
	driver string
	args   []string
	crash  syscall.Signal
	cmd    *exec.Cmd
	log    bytes.Buffer
}

// Postgres starts PostgreSQL, or ends the test where it is not there.
func Postgres(t testing.TB) *Server {
	t.Helper()
	require.Component(t, "postgres", "initdb")
	s := newServer(t, "postgres", "postgresql", "pgx", "postgres")
	// The server cleans up behind it, and loses what it had not written.
	s.crash = syscall.SIGQUIT
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Password), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(s.dir, "data")
	s.run("initdb", "--pgdata="+data, "--username="+User, "--pwfile="+password, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	s.args = []string{"-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(s.port), "-c", "unix_socket_directories=" + s.dir}
	s.Start()
	return s
}

// MariaDB starts MariaDB with further options, or ends the test where it is not there.
func MariaDB(t testing.TB, options ...string) *Server {
	t.Helper()
	require.Component(t, "mariadbd", "mariadb-install-db")
	s := newServer(t, "mariadbd", "mysql", "mysql", "mysql")
	s.crash = syscall.SIGKILL
	data := filepath.Join(s.dir, "data")
	s.run("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	account := filepath.Join(s.dir, "account.sql")
	text := fmt.Sprintf("CREATE OR REPLACE USER %s@'127.0.0.1' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO %s@'127.0.0.1' WITH GRANT OPTION;\n", User, Password, User)
	if err := os.WriteFile(account, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.args = []string{"--no-defaults", "--datadir=" + data, "--socket=" + filepath.Join(s.dir, "socket"), "--pid-file=" + filepath.Join(s.dir, "pid"),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--skip-name-resolve", "--init-file=" + account}
	s.args = append(s.args, options...)
	s.Start()
	return s
}

// newServer makes the server's folder. Both programs refuse to run as root: then the
// folder is that of another user.
func newServer(t testing.TB, name, scheme, driver, account string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "qme-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, name: name, dir: dir, port: freePort(t), scheme: scheme, driver: driver}
	t.Cleanup(func() {
		s.Crash()
		if t.Failed() {
			t.Logf("%s: %s", name, s.log.String())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if os.Geteuid() != 0 {
		return s
	}
	u, err := user.Lookup(account)
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	s.credential(u)
	return s
}

func (s *Server) credential(u *user.User) {
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	if uerr != nil || gerr != nil {
		s.t.Fatal(uerr, gerr)
	}
	if err := os.Chown(s.dir, uid, gid); err != nil {
		s.t.Fatal(err)
	}
}

// command prepares a program as the owner of the folder.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	path, err := exec.LookPath(name)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "HOME="+s.dir, "TMPDIR="+s.dir, "LC_ALL=C")
	if os.Geteuid() == 0 {
		info, err := os.Stat(s.dir)
		if err != nil {
			s.t.Fatal(err)
		}
		owner := info.Sys().(*syscall.Stat_t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	return cmd
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startLimit is how long a server may take to answer.
const startLimit = time.Minute

// Start starts the server, again after Crash, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = s.command(s.name, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		err := s.ask(ctx, "", "SELECT 1")
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			s.Crash() // what it said can be read once it has ended
			s.t.Fatalf("%s does not answer: %v\n%s", s.name, err, s.log.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Crash ends the server as a crash would, if it runs.
func (s *Server) Crash() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(s.crash)
	_ = s.cmd.Wait() // a signal has ended it
	s.cmd = nil
}

// Stop halts the server, so that it holds its connections and answers nobody; Continue
// ends that.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Continue ends Stop.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// URL returns the URL of a database of the server, with user and password.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: s.scheme, User: url.UserPassword(User, Password), Host: fmt.Sprintf("127.0.0.1:%d", s.port), Path: "/" + database}
	return u.String()
}

// Create makes a new database and returns its URL.
func (s *Server) Create(database string) string {
	s.t.Helper()
	s.Exec("CREATE DATABASE " + database)
	return s.URL(database)
}

// Exec executes a statement, apart from any database.
func (s *Server) Exec(statement string) {
	s.t.Helper()
	s.ExecIn("", statement)
}

// ExecIn executes a statement in a database.
func (s *Server) ExecIn(database, statement string) {
	s.t.Helper()
	if err := s.ask(context.Background(), database, statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

func (s *Server) ask(ctx context.Context, database, statement string) error {
	dsn := s.URL(cmp.Or(database, "postgres"))
	if s.driver == "mysql" {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = User, Password, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port), database
		dsn = cfg.FormatDSN()
	}
	db, err := sql.Open(s.driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
