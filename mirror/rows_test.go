package mirror

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"qme/mirror/target"
	"qme/record"
	"qme/tests/services"
)

// TestHostileRecord: whatever a record from elsewhere holds, its row is one that every
// database takes.
func TestHostileRecord(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	long := strings.Repeat("ä\x00", 100_000)
	id := record.ID("shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a")
	r := &record.Record{Executor: "shell", UID: id, Command: long, Data: record.Data{
		PWD: long, User: long, Host: long, Message: long, Signal: long, Previous: long, Output: []string{long}, Cmd: []string{"a\x00", `\u0000`},
		Git:       &record.Git{Commit: long, Branch: long},
		Timestamp: record.Time{Time: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -12*3600))},
		Finished:  &record.Time{Time: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		Env:       map[string]string{"X": strings.Repeat("x", 2<<20)},
		Extra:     map[string]json.RawMessage{"deep": []byte(deep), "nul\x00": []byte(`"\u0000\ud800 \\u0000"`), "number": []byte("1e99999")},
	}}
	runs := &tablesOf(record.Fields).runs
	row := runs.row(&sqliteDialect, 1, r)
	limits := map[string]int{"pwd": maxPath, "username": maxName, "host": maxName, "git_branch": maxName, "git_commit": maxWord, "signal_name": maxWord, "previous_commit": maxWord}
	got := map[string]any{}
	for i, name := range runs.names(math.MaxInt) {
		got[name] = row[i]
		s, ok := row[i].(string)
		limit := maxText
		if limits[name] > 0 {
			limit = limits[name]
		}
		if ok && (len(s) > limit || strings.ContainsRune(s, 0) || !utf8.ValidString(s)) {
			t.Errorf("%s: %d bytes, valid %v: %.50q", name, len(s), utf8.ValidString(s), s)
		}
	}
	for name, want := range map[string]any{
		"cmd": `["a\ufffd","\\u0000"]`, "env": nil, "started": "9999-12-31 23:59:59.999999", "finished": "1000-01-01 00:00:00.000000",
		"more": `{"data":{"deep":null,"nul\ufffd":"\ufffd` + "\uFFFD" + ` \\u0000","number":1e99999}}`, "output_whole": false, "output_bytes": 300_000,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// TestDialects: every database has the first tables by a file and the types of all columns,
// and statements in its own way.
func TestDialects(t *testing.T) {
	tables := tablesOf(record.Fields)
	for kind, d := range dialects {
		sql, err := migrations.ReadFile("migrations/" + d.folder + "/00001_runs.sql")
		if err != nil {
			t.Fatal(err)
		}
		_, sql, _ = bytes.Cut(sql, []byte("runs ("))
		for _, c := range tables.runs.columns {
			line := regexp.MustCompile(`(?m)^    ` + c.name + ` +(\w+( PRECISION|\(6\))?)`).FindSubmatch(sql)
			// What has an index or is short has a type of its own in MySQL.
			if c.since == 1 && (line == nil || string(line[1]) != d.types[c.kind] && !bytes.Equal(line[1], []byte("VARCHAR"))) {
				t.Errorf("%s: runs has for %s the type %s, want %s", kind, c.name, line, d.types[c.kind])
			}
		}
	}
	ab := &table{name: "t", keys: 2, columns: []column{{name: "a"}, {name: "b"}}}
	if got := postgresDialect.upsert(ab, 2); got != "INSERT INTO t (home_id, a, b) VALUES ($1, $2, $3), ($4, $5, $6) ON CONFLICT (home_id, a) DO UPDATE SET b = excluded.b" {
		t.Error(got)
	}
}

// TestDocument holds docs/mirror.md against the columns.
func TestDocument(t *testing.T) {
	documented(t, &tablesOf(record.Fields).runs)
}

// documented fails the test for each column of a table that docs/mirror.md does not name.
func documented(t *testing.T, table *table) {
	t.Helper()
	b, err := os.ReadFile("../docs/mirror.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "| column of `"+table.name+"` |")
	text, _, _ = strings.Cut(text, "\n\n")
	for _, name := range table.names(math.MaxInt) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/mirror.md does not name the column %s of %s", name, table.name)
		}
	}
}

// A history is one of one task and one commit, with the part of the files if it is not empty, and
// with what the task was before if it was there.
type history struct {
	r, old *record.Record
	part   string
	commit string
}

func (h history) Head() (string, error) { return cmp.Or(h.commit, "c1"), nil }

func (h history) Part(commit string, r *record.Record, name record.PartName) ([]byte, error) {
	head, err := h.Head()
	if commit != head || r.UID != h.r.UID || name != record.PartFiles || h.part == "" {
		return nil, errors.Join(err, record.ErrPartElsewhere)
	}
	return []byte(h.part), err
}

func (h history) IsAncestor(context.Context, string, string) (bool, error) { return true, nil }

func (h history) Differences(context.Context, string, string) iter.Seq2[record.Difference, error] {
	return func(yield func(record.Difference, error) bool) {
		yield(record.Difference{ID: h.r.UID, Added: h.old == nil, Versions: h}, nil)
	}
}

func (h history) Get(string, record.ID) (*record.Record, error) { return h.r, nil }

func (h history) Old() (*record.Record, error) { return h.old, nil }

func (h history) New() (*record.Record, error) { return h.r, nil }

func (h history) OtherRuns() ([]string, error) { return nil, nil }

// TestFurtherColumns: a version of the tables that brings columns has them in all rows, also in
// those that were there, and in the view, and is what an earlier program refuses.
func TestFurtherColumns(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite://" + t.TempDir() + "/qme.db" },
		"postgres": func(t *testing.T) string { return services.Postgres(t).Create("lab") },
		"mariadb":  func(t *testing.T) string { return services.MariaDB(t).Create("lab") },
	} {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			kind, _, _ := strings.Cut(url, ":")
			where, err := target.Parse(kind, url, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			r := &record.Record{Executor: "shell", UID: "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", Data: record.Data{Timestamp: record.Now(), Run: 1, Host: "a"}}
			catchUp := func(fields []record.Field, wantAnew bool) error {
				m, err := Open(where, Home{ID: "h", Name: "h"})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				m.tables = tablesOf(fields)
				done, err := m.CatchUp(t.Context(), history{r: r}, nil)
				if err == nil && done.Anew != wantAnew {
					t.Errorf("with %d fields the rows are made anew: %v", len(fields), done.Anew)
				}
				return err
			}
			later, next := slices.Clone(record.Fields), tablesOf(record.Fields).version+1
			for kind, value := range map[record.Kind]any{
				record.Text: "ä", record.Integer: 7, record.Bytes: int64(8), record.Seconds: 1.5, record.Moment: r.Data.Timestamp, record.Flag: true, record.Object: []string{"x"},
			} {
				later = append(later, record.Field{Name: fmt.Sprint("trial", kind), Kind: kind, Since: next, Value: func(*record.Record) any { return value }})
			}
			for _, step := range []struct {
				fields []record.Field
				anew   bool
			}{{record.Fields, true}, {record.Fields, false}, {later, true}, {later, false}} {
				if err := catchUp(step.fields, step.anew); err != nil {
					t.Fatal(err)
				}
			}
			var row []any
			query := "SELECT trial0, trial1, trial2, trial3, trial5, created, host FROM latest_runs"
			if err := Query(t.Context(), where, query, func([]string) error { return nil }, func(values []any) error { row = values; return nil }); err != nil || len(row) != 7 || fmt.Sprint(row[:4]) != "[ä 7 8 1.5]" || row[6] != "a" {
				t.Errorf("the view has %v, %v", row, err)
			}
			if err := catchUp(record.Fields, false); !errors.Is(err, record.ErrNewerFormat) {
				t.Errorf("an earlier program: %v", err)
			}
		})
	}
}
