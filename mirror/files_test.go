package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"

	"qme/mirror/target"
	"qme/record"
	"qme/tests/services"
)

// eachDatabase runs a test with a new database of each kind.
func eachDatabase(t *testing.T, test func(t *testing.T, where *target.Target)) {
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
			test(t, where)
		})
	}
}

// opened returns the mirror of a home in a database.
func opened(t *testing.T, where *target.Target) *Mirror {
	t.Helper()
	m, err := Open(where, Home{ID: "h", Name: "h"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// answer returns the rows of a query, each as one text.
func answer(t *testing.T, where *target.Target, query string) (rows []string) {
	t.Helper()
	err := Query(t.Context(), where, query, func([]string) error { return nil }, func(values []any) error {
		rows = append(rows, strings.TrimSuffix(fmt.Sprintln(values...), "\n"))
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func aRun(files *record.Files) *record.Record {
	return &record.Record{Executor: "shell", UID: "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", Data: record.Data{Timestamp: record.Now(), Run: 3, Host: "a", Files: files}}
}

// TestFiles: the files of a run are found by their hash, all of them where they are beside the
// record, and none is left when the run has others or is gone.
func TestFiles(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	list := &record.Files{
		In:  []record.File{{Path: "a\x00ä", Size: 7, SHA256: sum, By: record.ByWord}, {Path: "twice", By: record.ByOption}, {Path: "twice", By: record.ByOption}},
		Out: []record.File{{Path: "/out", Size: 1 << 40, SHA256: sum, Partial: true, By: record.ByStdio}},
	}
	eachDatabase(t, func(t *testing.T, where *target.Target) {
		r, commits := aRun(list), 0
		list.Out[0].Shared = true
		follow := func(part string, unreadable int) {
			t.Helper()
			commits++
			done, err := opened(t, where).CatchUp(t.Context(), history{r: r, part: part, commit: fmt.Sprint(commits)}, nil)
			if err != nil || len(done.Unreadable) != unreadable {
				t.Fatalf("%+v, %v", done, err)
			}
		}
		follow("", 0)
		const all = "SELECT direction, number, run, path, size, sha256, listed_by, CASE WHEN shared THEN 'shared' ELSE 'own' END FROM files ORDER BY direction, number"
		want := []string{
			"in 1 3 a\uFFFDä 7 " + sum + " word own", "in 2 3 twice 0 <nil> option own", "in 3 3 twice 0 <nil> option own", "out 1 3 /out 1099511627776 " + sum + " stdio shared",
		}
		if got := answer(t, where, all); !slices.Equal(got, want) {
			t.Errorf("the files are %q, want %q", got, want)
		}
		made := "SELECT f.task_id FROM files f JOIN runs r ON r.home_id = f.home_id AND r.task_id = f.task_id AND r.started = f.started AND r.host = f.host WHERE f.sha256 = '" + sum + "' AND f.partial AND direction = 'out'"
		if got := answer(t, where, made); !slices.Equal(got, []string{string(r.UID)}) {
			t.Errorf("the file was made by %q", got)
		}

		// More than one statement's, of which the record has only some.
		var part strings.Builder
		for i := range 300 {
			fmt.Fprintf(&part, "{\"list\":\"out\",\"path\":\"%s%d\",\"size\":1,\"by\":\"word\"}\n", strings.Repeat("x", 9000), i)
		}
		r.Data.Files, r.Data.Parts = &record.Files{Out: list.Out, LeftOut: 301}, record.Parts{record.PartFiles: {Size: 1}}
		counts := "SELECT count(*), sum(number), max(length(path)), min(files_left_out) FROM files JOIN runs ON runs.task_id = files.task_id"
		follow(part.String(), 0)
		if got := answer(t, where, counts); !slices.Equal(got, []string{"300 45150 4096 2"}) {
			t.Errorf("there are %q", got)
		}
		follow("", 0) // they are in another home
		if got := answer(t, where, counts); !slices.Equal(got, []string{"1 1 4 301"}) {
			t.Errorf("there are %q", got)
		}
		follow("no JSON", 1)
		if got := answer(t, where, counts); !slices.Equal(got, []string{"1 1 4 301"}) {
			t.Errorf("there are %q", got)
		}
		if _, err := opened(t, where).CatchUp(t.Context(), without{history{r: r, commit: "last"}}, nil); err != nil {
			t.Fatal(err)
		}
		if got := answer(t, where, "SELECT count(*) FROM files"); !slices.Equal(got, []string{"0"}) {
			t.Errorf("of a removed task there are %q", got)
		}
	})
}

// without is a history whose last commit has removed the task.
type without struct{ history }

func (h without) Differences(context.Context, string, string) iter.Seq2[record.Difference, error] {
	return func(yield func(record.Difference, error) bool) {
		yield(record.Difference{ID: h.r.UID, Removed: true, Versions: h}, nil)
	}
}

// TestUpgrade: tables of the first version get what later ones have, and a table of another
// program that has its name is left alone.
func TestUpgrade(t *testing.T) {
	eachDatabase(t, func(t *testing.T, where *target.Target) {
		first := opened(t, where)
		first.tables.version = 1
		if err := first.migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := first.db.ExecContext(t.Context(), "CREATE TABLE files (precious INT)"); err != nil {
			t.Fatal(err)
		}
		h := history{r: aRun(&record.Files{In: []record.File{{Path: "a", By: record.ByWord}}})}
		if _, err := opened(t, where).CatchUp(t.Context(), h, nil); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), `"files"`) {
			t.Errorf("with a table of another program: %v", err)
		}
		if got := answer(t, where, "SELECT MAX(version_id) FROM qme_schema"); !slices.Equal(got, []string{"1"}) {
			t.Errorf("the tables have version %s", got)
		}
		if _, err := first.db.ExecContext(t.Context(), "DROP TABLE files"); err != nil {
			t.Fatal(err)
		}
		if _, err := opened(t, where).CatchUp(t.Context(), h, nil); err != nil {
			t.Fatal(err)
		}
		if got := answer(t, where, "SELECT path FROM files"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("the files are %q", got)
		}
	})
}

// TestFurtherTables holds the statements that make the tables which later versions have added, and
// docs/mirror.md, against the columns.
func TestFurtherTables(t *testing.T) {
	all := tablesOf(record.Fields)
	for _, one := range []struct {
		table *table
		file  string
	}{{&all.files, "00003_files.sql"}, {&all.tags, "00005_notes.sql"}, {&all.notes, "00005_notes.sql"}} {
		made := one.table.names(one.table.since)
		for kind, d := range dialects {
			sql, err := migrations.ReadFile("migrations/" + d.folder + "/" + one.file)
			if err != nil {
				t.Fatal(err)
			}
			_, sql, _ = bytes.Cut(sql, []byte(one.table.name+" ("))
			sql, _, _ = bytes.Cut(sql, []byte(";"))
			for _, name := range made {
				if !regexp.MustCompile(`(?m)^    ` + name + ` +\w`).Match(sql) {
					t.Errorf("%s: %s has no %s", kind, one.table.name, name)
				}
			}
			if key := "PRIMARY KEY (" + strings.Join(made[:one.table.keys], ", ") + ")"; !bytes.Contains(sql, []byte(key)) {
				t.Errorf("%s: %s has not the %s", kind, one.table.name, key)
			}
		}
		documented(t, one.table)
	}
}

// TestVersions: a version that creates tables adds no columns to others, which nothing would create.
func TestVersions(t *testing.T) {
	for _, table := range tablesOf(record.Fields).all() {
		for _, c := range table.columns {
			if c.since != table.since && slices.Contains(createdIn, c.since) {
				t.Errorf("%s.%s is of version %d, which creates tables: take another one", table.name, c.name, c.since)
			}
		}
	}
}

// TestSoftwareColumns shows what the columns have of the software of a run.
func TestSoftwareColumns(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, c := range []struct {
		software *record.Software
		want     string
	}{
		{nil, "<nil> <nil> <nil> <nil> <nil>"},
		{&record.Software{Modules: []string{"gcc"}}, "<nil> <nil> <nil> <nil> <nil>"},
		{&record.Software{
			Programs:     []record.Program{{Path: "/bin/a.py", SHA256: sum, Interpreter: "/env/bin/python"}, {Path: "/env/bin/python"}},
			Environments: []record.Environment{{Kind: record.EnvUser, Path: "/home/x"}, {Kind: record.EnvConda, Path: "/env"}},
			Container:    &record.Container{Kind: "docker", ID: "3f"}, Images: []record.Container{{Image: "b"}},
		}, "/bin/a.py " + sum + " /env/bin/python /env 3f"},
		{&record.Software{Programs: []record.Program{{Path: "/big", SHA256: sum, Partial: true}}, Images: []record.Container{{Kind: "podman", Image: "b:1"}}}, "/big <nil> <nil> <nil> b:1"},
	} {
		var got []any
		for _, column := range softwareColumns() {
			got = append(got, column.value(&record.Record{Data: record.Data{Software: c.software}}))
		}
		if s := strings.TrimSuffix(fmt.Sprintln(got...), "\n"); s != c.want {
			t.Errorf("the columns have %s, want %s", s, c.want)
		}
	}
}
