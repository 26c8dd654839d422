package tests

import (
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"qme/tests/services"
)

// execModes are the ways in which the driver can be told, by the URL, to ask PostgreSQL.
var execModes = []string{
	"", "default_query_exec_mode=cache_statement", "default_query_exec_mode=cache_describe", "default_query_exec_mode=describe_exec",
	"default_query_exec_mode=exec", "default_query_exec_mode=simple_protocol", "statement_cache_capacity=0", "statement_cache_capacity=5",
	"default_query_exec_mode=simple_protocol&statement_cache_capacity=0&description_cache_capacity=0",
}

// TestMirrorBehindPooler: nothing of a mirror outlives its transaction, in a session that
// others use as well; and what others have left there is no hindrance.
func TestMirrorBehindPooler(t *testing.T) {
	server := services.Postgres(t)
	server.Create("lab")
	pool := services.PgBouncer(t, server)
	other, err := sql.Open("pgx", pool.URL("lab")+"?default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := sessionState(t, other)
	for i, mode := range execModes {
		h := mirrored(t, pool.URL("lab")+"?"+mode)
		for n := range 3 {
			h.must("run", "echo", fmt.Sprint(n))
			h.must("sql", "select 1")
			if out := h.must("mirror", "status"); !strings.Contains(out, "up to date") {
				t.Errorf("%s: %s", mode, out)
			}
		}
		h.compareMirror()
		h.must("mirror", "rebuild")
		h.compareMirror()
		if _, _, code := h.run("sql", "select nonsense"); code != 2 {
			t.Errorf("%s: a wrong query ends with %d", mode, code)
		}
		if _, err := other.Exec(fmt.Sprintf("create table after%d (n int)", i)); err != nil {
			t.Errorf("%s: another client of the pool: %v", mode, err)
		}
		if after := sessionState(t, other); after != before {
			t.Errorf("%s: the session was\n%s\nand is\n%s", mode, before, after)
		}
	}
}

// TestMirrorPoolerInterrupted: a pooler survives what is interrupted, and the server does
// not go on with it.
func TestMirrorPoolerInterrupted(t *testing.T) {
	server := services.Postgres(t)
	server.Create("lab")
	pool := services.PgBouncer(t, server)
	h := mirrored(t, pool.URL("lab"))
	h.must("run", "echo", "one")
	h.must("sql", "select 1")
	direct, err := sql.Open("pgx", server.URL("lab"))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	asking := func() (n int) {
		if err := direct.QueryRow("select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(600)%' and pid <> pg_backend_pid()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 5 {
		cmd := h.command("sql", "select pg_sleep(600)")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for asking() == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its code is looked at
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("code %d", code)
		}
		for begin := time.Now(); asking() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Since(begin) > time.Minute {
				t.Fatal("the server goes on with it")
			}
		}
		h.must("sql", "select 1")
	}
	// A table that is locked makes what follows a run give up.
	tx, err := direct.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("lock table homes"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h.must("run", "echo", "held up")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	h.compareMirror()
}

// sessionState is what a client could leave behind for those that come after it.
func sessionState(t *testing.T, db *sql.DB) string {
	t.Helper()
	var text strings.Builder
	for _, query := range []string{
		"select coalesce(string_agg(name, ','), '') from pg_prepared_statements",
		"select coalesce(string_agg(locktype || objid, ','), '') from pg_locks where locktype = 'advisory'",
		"select coalesce(string_agg(name || '=' || setting, ',' order by name), '') from pg_settings where source = 'session' and name not in ('application_name', 'TimeZone')",
		"select coalesce(string_agg(name, ','), '') from pg_cursors where name <> ''",
		"select coalesce(string_agg(nspname, ','), '') from pg_namespace where pg_is_other_temp_schema(oid)",
	} {
		var s string
		if err := db.QueryRow(query).Scan(&s); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		text.WriteString(s + "\n")
	}
	return text.String()
}

// hostileQueries are tries to change something, as one statement or as several.
func hostileQueries(url string) []string {
	all := []string{
		"commit; begin; delete from runs; commit; select 1", "commit; delete from runs", "select 1; commit; delete from runs", "rollback; delete from runs",
		"delete from runs", "drop table runs", "drop view latest_runs", "create table other (n int)", "select 1; delete from runs", "/* a */ delete from runs", "-- a\ndelete from runs",
		"begin", "commit", "with x as (select 1) delete from runs", "(delete from runs)", "explain delete from runs; delete from runs", "truncate table runs",
		"create temporary table runs2 as select 1 as n",
	}
	switch {
	case strings.HasPrefix(url, "postgresql"):
		return append(all,
			"commit; begin read write; delete from runs; commit; select 1", "begin read write", "set transaction read write", "set session characteristics as transaction read write",
			"explain analyze delete from runs", "with x as (delete from runs returning 1) select * from x",
			"with s as (select set_config('transaction_read_only', 'off', false)), x as (delete from runs returning 1) select * from s, x",
			"select set_config('transaction_read_only', 'off', false); delete from runs", "select nextval('homes_id_seq')", "select * into other from runs",
			"do $$ begin delete from runs; end $$", "prepare p as delete from runs", "copy runs from program 'echo'", "copy (select 1) to program 'true'", "copy (select 1) to '/tmp/qme-copied'", "lock table runs", "select 1 from runs for update", "select nextval('numbers')", "select setval('numbers', 5)",
			"/* /* a */ b */ delete from runs", "select $1")
	case strings.HasPrefix(url, "mysql"):
		return append(all,
			"commit; start transaction read write; delete from runs; commit; select 1", "/*!50000 drop table runs */", "/*M!100000 drop table runs */", "/*! delete from runs */",
			"# a\ndelete from runs", "set session transaction read write", "analyze delete from runs", "analyze format=json delete from runs", "call nothing()",
			"alter table runs add x int", "rename table runs to runs3", "optimize table runs", "select 1 from runs for update; drop table runs", "execute immediate 'drop table runs'",
			"begin not atomic drop table runs; end", "create or replace view latest_runs as select 1 as n", "flush tables", "select nextval(numbers)", "select setval(numbers, 5)", "select ?", "handler runs open",
			"select 1 into outfile '/tmp/qme-copied'", "select 1 --1 into/**/outfile '/tmp/qme-copied'", "(select 1) INTO DUMPFILE '/tmp/qme-copied'",
			"select 1 /*!into outfile '/tmp/qme-copied'*/", "select 'a\\'' into outfile '/tmp/qme-copied'")
	}
	return append(all,
		"pragma query_only = 0; delete from runs; select 1", "pragma writable_schema = 1; delete from sqlite_master; select 1", "pragma user_version = 5", "attach '"+attached+"' as other",
		"attach ':memory:' as other", "vacuum", "vacuum into '"+attached+"'", "reindex", "select load_extension('/tmp/x')", "select 1; select 2", "pragma journal_mode = wal",
		"select '''; ' ; delete from runs", "select \"a;\" ; delete from runs", "select [a;'] from (select 1 as [a;']) ; delete from runs", "select 1 /* ; */ ; delete from runs",
		"select ?1", "select :x", "select @x", "select $x")
}

const attached = "attached.db"

// TestMirrorOnlyRead: whatever is asked, and whatever parameters the URL has, a query
// changes nothing.
func TestMirrorOnlyRead(t *testing.T) {
	databases(t, func(t *testing.T, url string, server *services.Server) {
		modes := []string{""}
		if strings.HasPrefix(url, "postgresql") {
			modes = execModes
		}
		for _, mode := range modes {
			full := url
			if mode != "" {
				full += "?" + mode
			}
			h := mirrored(t, full)
			h.must("run", "echo", "one")
			h.must("sql", "select 1")
			if server != nil && mode == "" {
				execMirror(t, url, server, "create sequence numbers")
			}
			before := h.inMirror()
			for _, query := range hostileQueries(url) {
				out, errs, code := h.run("sql", "--", query)
				if code != 2 || out != "" || strings.Contains(errs, "cannot be used") {
					// What reads and changes nothing may answer.
					if code != 0 || !strings.HasPrefix(query, "pragma ") {
						t.Errorf("%s: %q: code %d\n%s%s", mode, query, code, out, errs)
					}
				}
			}
			if after := h.inMirror(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("%s: the mirror was\n%s\nand is\n%s", mode, before, after)
			}
			for _, query := range []string{
				"select 1", "-- a\nselect 1", "/* a; */ select 1 as n;", "select 1 ; -- end", "SELECT ';' as s", "with x as (select 1 as n) select * from x", "values (1)",
				"explain select 1", "select '/*' as a, '--' as b",
			} {
				h.must("sql", "--", query)
			}
			if server != nil { // sqlite has no such statement
				h.must("sql", " ( select 1 ) ")
			}
		}
	})
}

// TestMirrorParameters: those of a URL that would let several statements through, or
// change how a query is read, are refused or of no effect.
func TestMirrorParameters(t *testing.T) {
	server := services.MariaDB(t)
	full := server.Create("lab")
	for _, parameter := range []string{"multiStatements=true", "interpolateParams=false", "allowAllFiles=true", "sql_mode=ANSI_QUOTES", "init_command=x"} {
		h := mirrored(t, full+"?"+parameter)
		if _, errs, code := h.run("sql", "select 1; select 2"); code == 0 || !strings.Contains(errs, "parameters of a mysql URL") {
			t.Errorf("%s: code %d: %s", parameter, code, errs)
		}
	}
	for _, parameter := range []string{"?mode=rwc", "?_pragma=query_only(0)", "?_query_only=0"} {
		h := mirrored(t, "sqlite://"+t.TempDir()+"/mirror.db"+parameter)
		if _, errs, code := h.run("sql", "select 1"); code != 2 || !strings.Contains(errs, "nothing else") {
			t.Errorf("%s: code %d: %s", parameter, code, errs)
		}
	}
}
