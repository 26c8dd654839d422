package tests

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/tests/require"
	"qme/tests/services"
)

// execMirror executes a statement in a mirror, past qme.
func execMirror(t *testing.T, url string, server *services.Server, statement string) {
	t.Helper()
	if server != nil {
		server.ExecIn("lab", statement)
		return
	}
	db := openSQLite(t, url)
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func openSQLite(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestMirrorNewer: tables that a later version has made are refused, and left as they
// are; no run fails of it.
func TestMirrorNewer(t *testing.T) {
	databases(t, func(t *testing.T, url string, server *services.Server) {
		h := mirrored(t, url)
		h.must("run", "echo", "one")
		h.must("sql", "select 1")
		execMirror(t, url, server, "INSERT INTO qme_schema (version_id, is_applied) VALUES (99, true)")
		for range 2 {
			if out, errs, code := h.run("run", "echo", "two"); out != "two\n" || code != 0 {
				t.Errorf("run: code %d\n%s%s", code, out, errs)
			}
		}
		for _, args := range [][]string{{"sql", "select 1"}, {"mirror", "rebuild"}, {"mirror", "status"}} {
			out, errs, code := h.run(args...)
			if h.noSecret(errs); code != 7 || out != "" || !strings.Contains(errs, "version 99") {
				t.Errorf("%s: code %d\n%s%s", args, code, out, errs)
			}
		}
		execMirror(t, url, server, "UPDATE runs SET command = 'kept' WHERE run = 1")
		execMirror(t, url, server, "DELETE FROM qme_schema WHERE version_id = 99")
		if out := h.must("sql", "--csv", "select command from runs order by started"); out != "command\nkept\necho two\necho two\n" {
			t.Errorf("the mirror has %s", out)
		}
	})
}

// TestMirrorHalfMade: what a kill has left of the first tables is no hindrance.
func TestMirrorHalfMade(t *testing.T) {
	databases(t, func(t *testing.T, _ string, server *services.Server) {
		for i := range 8 {
			url := "sqlite://" + filepath.Join(t.TempDir(), "half.db")
			if server != nil {
				url = server.Create(fmt.Sprint("half", i))
			}
			h := mirrored(t, "filesystem")
			h.must("run", "echo", "one")
			h.env = mirrored(t, url).env
			cmd := h.command("mirror", "rebuild")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(rand.N(60*time.Millisecond), func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait() // most are killed
			h.compareMirror()
		}
		if server == nil {
			return
		}
		// MySQL commits each table by itself.
		url := server.Create("empty")
		server.ExecIn("empty", "CREATE TABLE qme_schema (id SERIAL, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (id))")
		h := mirrored(t, url)
		h.must("run", "echo", "one")
		h.compareMirror()
	})
}

// TestMirrorQueryCutOff: a server that ends in the middle of a result makes the query
// fail, with what was printed called not all of it.
func TestMirrorQueryCutOff(t *testing.T) {
	databases(t, func(t *testing.T, url string, server *services.Server) {
		if server == nil {
			t.Skip("sqlite has no server")
		}
		h := mirrored(t, url)
		h.must("run", "echo", "one")
		series := "generate_series(1, 10000000) as s(seq)"
		if strings.HasPrefix(url, "mysql") {
			series = "seq_1_to_10000000"
		}
		cmd := h.command("sql", "--json", "select seq, repeat('x', 1000) as x from "+series)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err, errs.String())
		}
		server.Crash()
		rest, err := io.ReadAll(lines)
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its code is looked at
		if code := cmd.ProcessState.ExitCode(); code != 8 || !strings.Contains(errs.String(), "which are not all of it") {
			t.Errorf("code %d: %s", code, errs.String())
		}
		h.noSecret(errs.String())
		for line := range bytes.Lines(rest) {
			if !json.Valid(line) || !bytes.HasSuffix(line, []byte("\n")) {
				t.Errorf("cut off within a row: %.50q", line)
			}
		}
	})
}

// TestMirrorSilentServer: what takes connections and says nothing holds up no run, and
// is given up by those who wait for it.
func TestMirrorSilentServer(t *testing.T) {
	for _, kind := range []string{"postgresql", "mysql"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() // the kernel takes the connections
			h := mirrored(t, kind+"://u:geheim@"+l.Addr().String()+"/d")
			if out, errs, code := h.run("run", "echo", "on"); out != "on\n" || code != 0 {
				t.Errorf("code %d\n%s%s", code, out, errs)
			}
			out, errs, code := h.run("mirror", "status")
			if h.noSecret(out + errs); code != 8 {
				t.Errorf("status ends with %d: %s", code, errs)
			}
			// The run has left it to a process that gives up as well.
			for begin := time.Now(); !strings.Contains(h.trouble(), "cannot be used"); time.Sleep(20 * time.Millisecond) {
				if time.Since(begin) > time.Minute {
					t.Fatalf("nothing is noted: %q", h.trouble())
				}
			}
			h.noSecret(h.trouble())
		})
	}
}

// trouble is what the home notes of its mirror.
func (h *home) trouble() string {
	b, err := os.ReadFile(filepath.Join(h.dir, "mirror.log"))
	if err != nil && !os.IsNotExist(err) {
		h.t.Error(err)
	}
	return string(b)
}

// TestMirrorToldOnce: who finds another process at work on the mirror does not take
// its trouble for over, of which users would then be told again and again.
func TestMirrorToldOnce(t *testing.T) {
	h := mirrored(t, "postgresql://u:geheim@127.0.0.1:1/d")
	if _, errs, _ := h.run("run", "true"); !strings.Contains(errs, "the mirror is behind") {
		t.Fatalf("nothing is told: %s", errs)
	}
	f, err := os.Open(filepath.Join(h.dir, "mirror.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	before := h.trouble()
	h.must("mirror", "--auto")
	if after := h.trouble(); before == "" || after != before {
		t.Errorf("the trouble was %q and is %q", before, after)
	}
	if _, errs, _ := h.run("run", "true"); strings.Contains(errs, "mirror") {
		t.Errorf("told again: %s", errs)
	}
}

// TestMirrorLocked: a sqlite file that another program keeps locked holds up no run,
// and has all of them when it is free.
func TestMirrorLocked(t *testing.T) {
	url := "sqlite://" + filepath.Join(t.TempDir(), "mirror.db")
	h := mirrored(t, url)
	h.must("run", "echo", "one")
	h.must("sql", "select 1")
	conn, err := openSQLite(t, url).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, how := range []string{"BEGIN EXCLUSIVE", "BEGIN IMMEDIATE", "BEGIN; SELECT count(*) FROM runs"} {
		if _, err := conn.ExecContext(t.Context(), how); err != nil {
			t.Fatal(err)
		}
		// Held up, it would end with the lock, which it outlives here.
		if out, errs, code := h.run("run", "echo", "on"); out != "on\n" || code != 0 {
			t.Errorf("%s: code %d\n%s%s", how, code, out, errs)
		}
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
	h.compareMirror()
}

// TestMirrorHostileRecord: what a record of elsewhere may hold is in every database,
// also where that takes small statements only.
func TestMirrorHostileRecord(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { hostileRecord(t, "sqlite://"+filepath.Join(t.TempDir(), "mirror.db")) })
	t.Run("postgres", func(t *testing.T) { hostileRecord(t, services.Postgres(t).Create("lab")) })
	t.Run("mariadb", func(t *testing.T) { hostileRecord(t, services.MariaDB(t, "--max-allowed-packet=1M").Create("lab")) })
}

func hostileRecord(t *testing.T, url string) {
	require.Component(t, "git")
	h := mirrored(t, url)
	newHub(t) // for git
	for range 3 {
		h.must("run", "echo", "one")
	}
	h.must("sql", "select 1")
	big := strings.Repeat("'\\\"ä🎉", 300_000)
	for i, rec := range h.records() {
		h.change(string(rec.UID), func(all map[string]any) {
			data := all["data"].(map[string]any)
			all["command"], data["message"], data["host"] = "🎉\x00"+big, big, []string{"Host", "HOST ", "höst"}[i]
			data["timestamp"], data["run"] = "2026-11-23T09:31:00.578123+14:00", 1
			data["env"], data["later"] = map[string]any{"BIG": big[:400_000]}, map[string]any{"\x00": "\x00🎉"}
		})
	}
	var got []string
	for line := range strings.Lines(h.must("sql", "--json", "select command, host, started, more from latest_runs order by host")) {
		var row struct{ Command, Host, Started, More string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(row.Command, "🎉\uFFFD'\\\"ä🎉") || len(row.Command) < 64<<10-4 || row.Started != "2026-11-22 19:31:00.578123" || !strings.Contains(row.More, "🎉") {
			t.Errorf("%.300q", row)
		}
		got = append(got, row.Host)
	}
	if len(got) != 3 {
		t.Errorf("hosts %q", got)
	}
}

// change commits another record of a task, as another program might.
func (h *home) change(id string, edit func(all map[string]any)) {
	h.t.Helper()
	git := func(stdin []byte, args ...string) string {
		h.t.Helper()
		cmd := h.command(append([]string{"git"}, args...)...)
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+filepath.Join(h.dir, "other.index"),
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			h.t.Fatal(args, err)
		}
		return strings.TrimSpace(string(out))
	}
	var all map[string]any
	path := strings.Fields(git(nil, "ls-tree", "-r", "--name-only", "HEAD", "tasks"))
	for _, p := range path {
		if !strings.HasSuffix(p, id+".json") {
			continue
		}
		if err := json.Unmarshal([]byte(git(nil, "show", "HEAD:"+p)), &all); err != nil {
			h.t.Fatal(err)
		}
		edit(all)
		text, err := json.Marshal(all)
		if err != nil {
			h.t.Fatal(err)
		}
		git(nil, "read-tree", "HEAD")
		git(nil, "update-index", "--cacheinfo", "100644,"+git(text, "hash-object", "-w", "--stdin")+","+p)
		git(nil, "update-ref", "refs/heads/main", git(nil, "commit-tree", git(nil, "write-tree"), "-p", "HEAD", "-m", "rerun: other"))
	}
	if all == nil {
		h.t.Fatalf("%s is not in %s", id, path)
	}
}

// TestMirrorDiskFull: a full disk fails the mirror and no run, and the mirror goes on
// from where it was.
func TestMirrorDiskFull(t *testing.T) {
	disk := t.TempDir()
	mount(t, disk, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
	h := mirrored(t, "sqlite://"+filepath.Join(disk, "mirror.db"))
	h.must("run", "echo", "one")
	h.must("sql", "select 1")
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	const noise = "head -c 60000 /dev/zero | tr '\\0' x"
	if out, errs, code := h.run("run", "sh", "-c", noise); len(out) != 60000 || code != 0 || !strings.Contains(errs, "the mirror is behind") {
		t.Errorf("code %d, %d bytes: %s", code, len(out), errs)
	}
	if out, errs, code := h.run("sql", "select 1"); out != "" || code != 8 || !strings.Contains(errs, "full") {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.compareMirror()
}
