package tests

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/tests/require"
	"qme/tests/services"
)

// TestMirrorForeign: a database of another program, with tables of the same names, is
// refused before anything is made in it.
func TestMirrorForeign(t *testing.T) {
	databases(t, func(t *testing.T, url string, server *services.Server) {
		for name, statement := range map[string]string{
			"runs":    "create table runs (run_uuid varchar(32) primary key, status varchar(20), name varchar(250))",
			"homes":   "create table homes (uid int)",
			"tasks":   "create table tasks (id int primary key, title varchar(100))",
			"files":   "create table files (name varchar(100), content varchar(100))",
			"view":    "create view latest_runs as select 'precious' as x",
			"asview":  "create view runs as select 'precious' as run",
			"astable": "create table latest_runs (x int)",
		} {
			foreignDatabase(t, name, statement, server)
		}
		if strings.HasPrefix(url, "postgresql") {
			foreignDatabase(t, "enum", "create type runs as enum ('a')", server)
			foreignDatabase(t, "other_index", "create table x (a int); create index runs_started on x (a)", server)
		}
	})
}

func foreignDatabase(t *testing.T, name, statement string, server *services.Server) {
	url := "sqlite://" + filepath.Join(t.TempDir(), "mirror.db")
	if server != nil {
		url = server.Create(name)
	}
	do := func(statement string) {
		if server != nil {
			server.ExecIn(name, statement)
			return
		}
		execMirror(t, url, nil, statement)
	}
	do(statement)
	h := mirrored(t, url)
	// The run is recorded, and says so; or the next one does, where the database takes longer than a run waits for it.
	out, errs, code := h.run("run", "echo", "one")
	if out != "one\n" || code != 0 {
		t.Errorf("%s: run: code %d\n%s%s", name, code, out, errs)
	}
	if !strings.Contains(errs, "used by another program") {
		h.settled()
		if _, errs, _ = h.run("run", "true"); !strings.Contains(errs, "used by another program") {
			t.Errorf("%s: it is not said:\n%s", name, errs)
		}
	}
	for _, args := range [][]string{{"mirror", "rebuild"}, {"sql", "select 1"}} {
		out, errs, code := h.run(args...)
		if h.noSecret(errs); code != 5 || out != "" || !strings.Contains(errs, "a database of its own") || strings.Contains(errs, "catches up") {
			t.Errorf("%s: %s: code %d\n%s%s", name, args, code, out, errs)
		}
	}
	// Nothing has been made, and what was there is as it was.
	for _, made := range []string{"qme_schema", "homes", "tasks", "runs", "files", "latest_runs"} {
		if !strings.Contains(statement, " "+made+" ") {
			do("create table " + made + " (n int)")
		}
	}
	if name == "view" {
		do("select x from latest_runs")
	}
}

// TestMirrorReadOnlyUser: who may only read the mirror can ask it, and learns how far
// behind it is.
func TestMirrorReadOnlyUser(t *testing.T) {
	databases(t, func(t *testing.T, full string, server *services.Server) {
		h := mirrored(t, full)
		h.must("run", "echo", "one")
		h.must("sql", "select 1")
		readOnly(t, h, full, server)
		ask := func(args ...string) (out, errs string, code int) {
			return h.run(append([]string{"sql", "--csv"}, args...)...)
		}
		out, errs, code := ask("select command from runs")
		if code != 0 || out != "command\necho one\n" || errs != "" {
			t.Errorf("up to date: code %d\n%s%s", code, out, errs)
		}
		h.run("run", "echo", "two")
		out, errs, code = ask("select command from runs")
		if h.noSecret(errs); code != 0 || out != "command\necho one\n" || !strings.Contains(errs, "the mirror is 1 task behind") {
			t.Errorf("behind: code %d\n%s%s", code, out, errs)
		}
		if _, errs, code = h.run("mirror", "rebuild"); code != 8 || !strings.Contains(errs, "does not let this user change the mirror") {
			t.Errorf("rebuild: code %d\n%s", code, errs)
		}
		// A home that is not in it is all behind.
		other := mirrored(t, "filesystem")
		other.env, other.shell = h.env, h.shell
		other.run("run", "echo", "three")
		out, errs, code = other.run("sql", "--csv", "select command from runs")
		if code != 0 || out != "command\necho one\n" || !strings.Contains(errs, "the mirror is 1 task behind") {
			t.Errorf("another home: code %d\n%s%s", code, out, errs)
		}
	})
}

// readOnly makes the home one of a user who may only read.
func readOnly(t *testing.T, h *home, full string, server *services.Server) {
	t.Helper()
	if server == nil {
		path := strings.TrimPrefix(full, "sqlite://")
		if err := os.Chmod(path, 0o444); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(path), 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o755) })
		if os.Geteuid() == 0 { // whom no mode hinders
			require.Component(t, "setpriv")
			h.shell = `exec setpriv --bounding-set=-dac_override,-dac_read_search bash -c 'exec "$0" "$@"' "$0" "$@"`
		}
		return
	}
	u, err := url.Parse(full)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("reader", "geheim")
	if u.Scheme == "mysql" {
		server.Exec("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'geheim'")
		server.Exec("GRANT SELECT ON lab.* TO reader@'127.0.0.1'")
	} else {
		server.Exec("CREATE ROLE reader LOGIN PASSWORD 'geheim'")
		server.ExecIn("lab", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
	}
	h.env = mirrored(t, u.String()).env
}

// TestMirrorNoTables: a user of PostgreSQL who may make no tables is told how to get the
// right, and a schema of his own will do.
func TestMirrorNoTables(t *testing.T) {
	server := services.Postgres(t)
	full := server.Create("lab")
	server.Exec("CREATE ROLE reader LOGIN PASSWORD 'geheim'")
	server.ExecIn("lab", "CREATE SCHEMA mine AUTHORIZATION reader")
	u, err := url.Parse(full)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("reader", "geheim")
	h := mirrored(t, u.String())
	h.must("run", "echo", "one")
	_, errs, code := h.run("mirror", "rebuild")
	if h.noSecret(errs); code != 8 || !strings.Contains(errs, "GRANT CREATE ON SCHEMA public") || strings.Contains(errs, "catches up") {
		t.Errorf("code %d: %s", code, errs)
	}
	u.RawQuery = "search_path=mine"
	h.env = mirrored(t, u.String()).env
	h.compareMirror()
	// The names are taken in a schema that is looked into as well.
	server.ExecIn("lab", "CREATE TABLE public.homes (name text); CREATE TABLE public.runs (id int); GRANT SELECT ON public.homes, public.runs TO reader; CREATE SCHEMA other AUTHORIZATION reader")
	u.RawQuery = "search_path=other,public"
	h.env = mirrored(t, u.String()).env
	h.compareMirror()
}

// TestMirrorReadOnlyFolder: a sqlite file that can be written is read where its folder
// cannot, as the journal lies there.
func TestMirrorReadOnlyFolder(t *testing.T) {
	url := "sqlite://" + filepath.Join(t.TempDir(), "mirror.db")
	h := mirrored(t, url)
	h.must("run", "echo", "one")
	h.must("sql", "select 1")
	path := strings.TrimPrefix(url, "sqlite://")
	if err := os.Remove(path + "-journal"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	readOnly(t, h, url, nil)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	h.run("run", "echo", "two")
	out, errs, code := h.run("sql", "--csv", "select command from runs")
	if code != 0 || out != "command\necho one\n" || !strings.Contains(errs, "the mirror is 1 task behind") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
}
