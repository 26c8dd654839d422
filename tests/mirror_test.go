package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"qme/record"
	"qme/tests/await"
	"qme/tests/services"
)

// databases runs a test with a new database of each kind.
func databases(t *testing.T, test func(t *testing.T, url string, server *services.Server)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite://"+filepath.Join(t.TempDir(), "mirror.db"), nil) })
	for _, kind := range []struct {
		name  string
		start func(testing.TB) *services.Server
	}{{"postgres", services.Postgres}, {"mariadb", func(t testing.TB) *services.Server { return services.MariaDB(t) }}} {
		t.Run(kind.name, func(t *testing.T) {
			server := kind.start(t)
			test(t, server.Create("lab"), server)
		})
	}
}

// mirrored is a home with a mirror at a URL.
func mirrored(t testing.TB, url string) *home {
	h := newHome(t)
	t.Cleanup(h.settled)
	kind, _, _ := strings.Cut(url, ":")
	h.env = []string{"QME_DATABASE=" + kind, "QME_DATABASE_STRING=" + url}
	return h
}

// settled waits until no process in the background, as Linux shows them, is at work in
// the home, which can then be removed.
func (h *home) settled() {
	ours := []byte("QME_HOME=" + h.dir + "\x00")
	if !await.Holds(func() bool {
		all, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well-formed
		return !slices.ContainsFunc(all, func(name string) bool {
			b, err := os.ReadFile(name) // of others, or gone: not ours
			return err == nil && bytes.Contains(b, ours)
		})
	}) {
		h.t.Error("a process in the background does not end")
	}
}

// A mirrorRun is what the history and the mirror must have in common of a run.
type mirrorRun struct {
	Task       string  `json:"task_id"`
	Started    string  `json:"started"`
	Host       string  `json:"host"`
	Run        int     `json:"run"`
	Command    string  `json:"command"`
	PWD        string  `json:"pwd"`
	User       string  `json:"username"`
	Message    string  `json:"message"`
	Status     string  `json:"status"`
	ReturnCode *int    `json:"returncode"`
	Duration   float64 `json:"duration"`
	Output     string  `json:"output"`
	Error      string  `json:"error"`
	Cmd        string  `json:"cmd"`
	Latest     int     `json:"latest"`
}

func (r mirrorRun) String() string {
	rc := "-"
	if r.ReturnCode != nil {
		rc = fmt.Sprint(*r.ReturnCode)
	}
	type plain mirrorRun // without this method
	p := plain(r)
	p.ReturnCode = nil
	return fmt.Sprintf("%+v returncode %s", p, rc)
}

// mirrorColumns asks for this home's runs.
const mirrorColumns = `select r.task_id, r.started, r.host, r.run, r.command, r.pwd, r.username, r.message, r.status, r.returncode, r.duration, r.output, r.error, r.cmd,
(select count(*) from latest_runs l where l.home_id = r.home_id and l.task_id = r.task_id and l.started = r.started and l.host = r.host) as latest
from runs r join homes h on h.id = r.home_id where h.name like '%%:%s'`

// inMirror returns the runs of this home in its mirror, sorted.
func (h *home) inMirror() []string {
	h.t.Helper()
	var list []string
	for line := range strings.Lines(h.must("sql", "--json", fmt.Sprintf(mirrorColumns, h.dir))) {
		var r mirrorRun
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			h.t.Fatalf("%v: %s", err, line)
		}
		list = append(list, r.String())
	}
	slices.Sort(list)
	return list
}

// inHistory returns what inMirror should.
func (h *home) inHistory() []string {
	h.t.Helper()
	var list []string
	for _, task := range h.records() {
		for i, line := range slices.Collect(strings.Lines(h.must("log", "--json", string(task.UID)))) {
			rec := new(record.Record)
			if err := json.Unmarshal([]byte(line), rec); err != nil {
				h.t.Fatal(err)
			}
			list = append(list, expected(h.t, rec, i == 0).String())
		}
	}
	slices.Sort(list)
	return list
}

func expected(t testing.TB, rec *record.Record, latest bool) mirrorRun {
	cut := func(s string) string {
		s = strings.ReplaceAll(s[:min(len(s), 64<<10)], "\x00", "\uFFFD")
		return s[:min(len(s), 64<<10)]
	}
	d := rec.Data
	var cmd strings.Builder
	enc := json.NewEncoder(&cmd)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d.Cmd); err != nil {
		t.Fatal(err)
	}
	r := mirrorRun{
		Task: string(rec.UID), Started: d.Timestamp.UTC().Format("2006-01-02 15:04:05.000000"), Host: d.Host, Run: d.Run, Command: cut(rec.Command),
		PWD: d.PWD, User: d.User, Message: cut(d.Message), Status: string(d.Status), ReturnCode: d.ReturnCode, Duration: d.Duration,
		Output: cut(strings.Join(d.Output, "")), Error: cut(strings.Join(d.Error, "")), Cmd: strings.TrimSpace(cmd.String()),
	}
	if latest {
		r.Latest = 1
	}
	return r
}

// compareMirror fails the test when the mirror is not as the history.
func (h *home) compareMirror() {
	h.t.Helper()
	got, want := h.inMirror(), h.inHistory()
	got, want = append(got, h.saidInMirror()...), append(want, h.saidInHistory()...)
	if !slices.Equal(got, want) {
		h.t.Fatalf("the mirror has\n%.3000s\nand the history\n%.3000s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// saidInMirror returns what people say of the tasks of this home in its mirror, sorted.
func (h *home) saidInMirror() (list []string) {
	h.t.Helper()
	of := fmt.Sprintf(" join homes h on h.id = home_id where h.name like '%%:%s'", h.dir)
	for _, query := range []string{
		"select tasks.id as task_id, 'name' as kind, tasks.name as what from tasks" + of + " and tasks.name is not null",
		"select task_id, 'tag' as kind, tag as what from tags" + of,
		"select task_id, notes.id as kind, written, username, text as what, edited from notes" + of,
	} {
		for line := range strings.Lines(h.must("sql", "--json", query)) {
			var r struct {
				Task, Kind, Written, User, What string
				Edited                          any
			}
			line = strings.Replace(strings.Replace(line, "task_id", "task", 1), "username", "user", 1)
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				h.t.Fatalf("%v: %s", err, line)
			}
			list = append(list, fmt.Sprintf("%s %s %s %s %s %v", r.Task, r.Kind, r.Written, r.User, r.What, r.Edited))
		}
	}
	slices.Sort(list)
	return list
}

// saidInHistory returns what saidInMirror should.
func (h *home) saidInHistory() (list []string) {
	h.t.Helper()
	at := func(t record.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }
	for _, task := range h.records() {
		if name, _, code := h.run("name", string(task.UID)); code == 0 {
			list = append(list, fmt.Sprintf("%s name   %s <nil>", task.UID, strings.TrimSpace(name)))
		}
		for tag := range strings.Lines(h.must("tag", string(task.UID))) {
			list = append(list, fmt.Sprintf("%s tag   %s <nil>", task.UID, strings.TrimSpace(tag)))
		}
		for line := range strings.Lines(h.must("note", "--json", string(task.UID))) {
			var n record.Note
			if err := json.Unmarshal([]byte(line), &n); err != nil {
				h.t.Fatalf("%v: %s", err, line)
			}
			var edited any
			if n.Edited != nil {
				edited = at(*n.Edited)
			}
			list = append(list, fmt.Sprintf("%s %s %s %s %s %v", task.UID, n.ID, at(n.At), n.By, n.Text, edited))
		}
	}
	slices.Sort(list)
	return list
}

// TestMirror holds the mirror, of two homes that share a database and their tasks,
// against their histories after random series of commands.
func TestMirror(t *testing.T) {
	databases(t, func(t *testing.T, url string, _ *services.Server) {
		hub := newHub(t)
		homes := []*home{mirrored(t, url), mirrored(t, url)}
		for _, h := range homes {
			h.must("remote", hub.dir)
		}
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		for i := range 40 {
			h := homes[rnd.IntN(2)]
			randomCommand(h, rnd)
			if i%10 == 9 {
				h.compareMirror()
			}
		}
		homes[0].must("run", "echo", "both")
		both := string(homes[0].records()[0].UID)
		syncAll(homes)
		for _, h := range homes {
			h.must("rerun", "--yes", both)
		}
		syncAll(homes)
		for _, h := range homes {
			h.compareMirror()
			h.must("mirror", "rebuild")
			h.compareMirror()
		}
	})
}

// syncAll lets homes exchange all they have.
func syncAll(homes []*home) {
	for range 2 {
		for _, h := range homes {
			h.must("sync")
		}
	}
}

// randomCommand changes the history in some way.
func randomCommand(h *home, rnd *rand.Rand) {
	h.t.Helper()
	tasks := h.records()
	some := func() string { return string(tasks[rnd.IntN(len(tasks))].UID) }
	switch n := rnd.IntN(15); {
	case n < 4 || len(tasks) == 0:
		scripts := []string{"echo 'häß$RANDOM\\n'", "exit 3", "echo a; echo b >&2", "printf 'a\\000b'", "printf 'a\\377b'", "head -c 100000 /dev/zero | tr '\\0' x"}
		h.run("-m", fmt.Sprint("for ", rnd.Uint32(), " \\ ' \" %"), "run", "bash", "-c", scripts[rnd.IntN(len(scripts))])
	case n < 7:
		h.run("rerun", "--yes", some())
	case n < 8:
		h.must("clear", "--force", some())
	case n < 9:
		h.run("restore", "--last") // nothing may be cleared, or it is there again
	case n < 11:
		h.must("note", some(), fmt.Sprint("hä\\ ' \" % ", rnd.Uint32()))
	case n < 12:
		h.must("tag", some(), fmt.Sprint("+t", rnd.IntN(5)), "--remove", fmt.Sprint("t", rnd.IntN(5)))
	case n < 13:
		h.must("name", some(), fmt.Sprint("task", rnd.IntN(5)), "--move")
	default:
		h.must("sync")
	}
}

// TestMirrorRefusesChanges: the mirror is only read, whatever the query is.
func TestMirrorRefusesChanges(t *testing.T) {
	databases(t, func(t *testing.T, url string, _ *services.Server) {
		h := mirrored(t, url)
		h.must("run", "echo", "one")
		for _, query := range []string{
			"delete from runs", "drop table runs", "create table other (n int)", "update homes set commit_id = ''",
			"select 1; delete from runs", "insert into homes (uid, name) values ('a', 'b')", "nonsense", "select nonsense from runs",
		} {
			if out, errs, code := h.run("sql", query); code != 2 || out != "" || !strings.Contains(errs, "docs/mirror.md") {
				t.Errorf("%s: code %d\n%s%s", query, code, out, errs)
			}
		}
		h.compareMirror()
		if out := h.must("sql", "--json", "select count(*) as n, sum(run) as s, null as z, started as at from runs group by started"); !strings.HasPrefix(out, `{"n":1,"s":1,"z":null,"at":"20`) {
			t.Errorf("types: %s", out)
		}
	})
}

// TestMirrorAtOnce: homes that start with an empty database at the same time, and many
// runs at once in each, are all mirrored, once.
func TestMirrorAtOnce(t *testing.T) {
	databases(t, func(t *testing.T, url string, _ *services.Server) {
		var homes []*home
		var wg sync.WaitGroup
		for range 6 {
			h := mirrored(t, url)
			homes = append(homes, h)
			wg.Go(func() {
				if out, errs, code := h.run("mirror", "rebuild"); code != 0 {
					t.Errorf("code %d: %s%s", code, out, errs)
				}
			})
		}
		wg.Wait()
		for _, h := range homes {
			for range 2 {
				wg.Go(func() {
					for range 3 {
						if out, errs, code := h.run("run", "echo", "one"); code != 0 || out != "one\n" {
							t.Errorf("code %d: %s%s", code, out, errs)
						}
					}
				})
			}
		}
		wg.Wait()
		for _, h := range homes {
			h.compareMirror()
		}
	})
}

// TestMirrorKilled kills what catches up at random moments: in the end every run is
// there once.
func TestMirrorKilled(t *testing.T) {
	databases(t, func(t *testing.T, url string, _ *services.Server) {
		h := mirrored(t, url)
		h.must("sql", "select 1")
		for i := range 30 {
			args := []string{"run", "echo", fmt.Sprint(i)}
			if i%3 == 2 {
				args = []string{"mirror", "rebuild"}
			}
			cmd := h.command(args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(rand.N(40*time.Millisecond), func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait() // most are killed
		}
		// A command that reads gives what was killed a tenth of a second to be recorded, on a
		// busy machine too little for all of it.
		for range 100 {
			if left, err := os.ReadDir(filepath.Join(h.dir, "running")); err != nil || len(left) == 0 {
				break
			}
			h.must("ls")
		}
		h.compareMirror()
	})
}

// TestMirrorDown: a server that is down, or does not answer, fails no run, and what it
// has missed is there when it is back.
func TestMirrorDown(t *testing.T) {
	databases(t, func(t *testing.T, url string, server *services.Server) {
		if server == nil {
			t.Skip("sqlite has no server")
		}
		h := mirrored(t, url)
		h.must("run", "echo", "before")
		runs := func() (told int) {
			for i := range 3 {
				out, errs, code := h.run("run", "sh", "-c", "echo down; exit 3")
				if out != "down\n" || code != 3 {
					t.Errorf("run %d: code %d\n%s%s", i, code, out, errs)
				}
				if strings.Contains(errs, "the mirror is behind") {
					told++
				}
				h.noSecret(errs)
			}
			return told
		}
		server.Stop()
		runs()
		server.Continue()
		h.compareMirror()
		server.Crash()
		if told := runs(); told != 1 {
			t.Errorf("told %d times, want once", told)
		}
		_, errs, code := h.run("mirror", "status")
		if h.noSecret(errs); code != 8 {
			t.Errorf("status ends with %d: %s", code, errs)
		}
		log, err := os.ReadFile(filepath.Join(h.dir, "mirror.log"))
		if h.noSecret(string(log)); err != nil {
			t.Error(err)
		}
		server.Start()
		h.compareMirror()
		if out := h.must("mirror", "status"); !strings.Contains(out, "up to date") || strings.Contains(out, "failed") {
			t.Errorf("status: %s", out)
		}
	})
}

func (h *home) noSecret(text string) {
	h.t.Helper()
	if strings.Contains(text, "geheim") {
		h.t.Errorf("the password is shown: %s", text)
	}
}

// TestMirrorOfAnotherHistory: a history that has been put back to an earlier commit, or
// replaced, is mirrored anew.
func TestMirrorOfAnotherHistory(t *testing.T) {
	h := mirrored(t, "sqlite://"+filepath.Join(t.TempDir(), "mirror.db"))
	h.must("run", "echo", "one")
	newHub(t) // for git
	first := strings.TrimSpace(h.must("git", "rev-parse", "HEAD"))
	h.must("rerun")
	h.must("run", "echo", "two")
	h.compareMirror()
	h.must("git", "update-ref", "refs/heads/main", first)
	h.compareMirror()
	if err := os.RemoveAll(filepath.Join(h.dir, "tasks.git")); err != nil {
		t.Fatal(err)
	}
	h.must("run", "echo", "three")
	h.compareMirror()
}
