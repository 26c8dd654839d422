package record_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"qme/record"
)

// example is the id of docs/format.md's example.
const example = "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a"

const uuidText = "019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a"

func TestParseID(t *testing.T) {
	t.Parallel()
	for _, executor := range []string{"shell", "a", "a-b", "a-", "x_1", "slurm-" + uuidText[:20], strings.Repeat("a", 64)} {
		id, err := record.ParseID(executor + "-" + uuidText)
		if err != nil || id.Executor() != executor || id.UUID() != uuidText {
			t.Errorf("%q: %q, %q, %v", executor, id.Executor(), id.UUID(), err)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "no executor": "-" + uuidText, "UUID alone": uuidText, "two dashes": "--" + uuidText,
		"upper case executor": "Shell-" + uuidText, "begins with a digit": "1a-" + uuidText, "begins with a dash": "-a-" + uuidText,
		"umlaut": "ä-" + uuidText, "slash": "a/b-" + uuidText, "dots": "..-" + uuidText, "space": "a b-" + uuidText, "NUL": "a\x00-" + uuidText,
		"65 letters": strings.Repeat("a", 65) + "-" + uuidText, "upper case UUID": "shell-" + strings.ToUpper(uuidText),
		"version 4": "shell-019aaf3c-1b2c-4d3e-8f40-5b1f0c2d9e7a", "another variant": "shell-019aaf3c-1b2c-7d3e-cf40-5b1f0c2d9e7a",
		"no dashes": "shell-" + strings.ReplaceAll(uuidText, "-", ""), "braces": "shell-{" + uuidText[1:35] + "}", "short": "shell-" + uuidText[:35],
		"long": "shell-" + uuidText + "a", "not hexadecimal": "shell-g" + uuidText[1:], "newline": "shell-" + uuidText + "\n", "urn": "urn:uuid:" + uuidText,
		"year 10000": "shell-e677d21f-dc00-7000-8000-000000000000", "last UUID": "shell-ffffffff-ffff-7fff-bfff-ffffffffffff",
	} {
		if id, err := record.ParseID(s); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%s: ParseID(%q) returns %q, %v; want record.ErrInvalid", name, s, id, err)
		}
	}
}

// TestIDsAreUUIDs puts each character into each place of an id, and asks a library for UUIDs.
func TestIDsAreUUIDs(t *testing.T) {
	t.Parallel()
	for i := range uuidText {
		for c := range 256 {
			b := []byte(uuidText)
			b[i] = byte(c)
			text := string(b)
			u, err := uuid.Parse(text)
			want := err == nil && u.Version() == 7 && u.Variant() == uuid.RFC4122 && u.String() == text && text < "e677d21f-dc"
			if _, err := record.ParseID("shell-" + text); (err == nil) != want {
				t.Errorf("%q: %v, want a valid id: %v", text, err, want)
			}
		}
	}
}

func BenchmarkParseID(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		if _, err := record.ParseID(example); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ id, dir, at string }{
		{example, "tasks/2025/11/23/05/42", "2025-11-23T05:42:23.276Z"},
		{"a-00000000-0000-7000-8000-000000000000", "tasks/1970/01/01/00/00", "1970-01-01T00:00:00Z"},
		{"a-00000000-ea5f-7000-8000-000000000000", "tasks/1970/01/01/00/00", "1970-01-01T00:00:59.999Z"},
		{"a-00000000-ea60-7000-8000-000000000000", "tasks/1970/01/01/00/01", "1970-01-01T00:01:00Z"},
		{"a-e677d21f-dbff-7000-8000-000000000000", "tasks/9999/12/31/23/59", "9999-12-31T23:59:59.999Z"},
	} {
		id, err := record.ParseID(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := id.Time().Format(time.RFC3339Nano); got != c.at || id.Dir() != c.dir || id.Path() != c.dir+"/"+c.id+".json" {
			t.Errorf("%s: made at %s, in %s, at %s", c.id, got, id.Dir(), id.Path())
		}
		if back, err := record.IDFromPath(id.Path()); back != id || err != nil {
			t.Errorf("IDFromPath(%q) returns %q, %v", id.Path(), back, err)
		}
	}
	good := record.ID(example).Path()
	for _, p := range []string{"", example, example + ".json", "/" + good, "./" + good, good + "/", strings.TrimSuffix(good, "json"), good + ".json",
		strings.Replace(good, "/42/", "/43/", 1), strings.Replace(good, "/42/", "/42//", 1), strings.Replace(good, "tasks/", "task/", 1),
		strings.Replace(good, ".json", ".stdout", 1), "tasks/../" + good} {
		if id, err := record.IDFromPath(p); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("IDFromPath(%q) returns %q, %v; want record.ErrInvalid", p, id, err)
		}
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	before := time.Now().Truncate(time.Millisecond)
	last := record.ID("")
	for range 5000 {
		id, err := record.NewID("shell")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.ParseID(string(id)); err != nil {
			t.Fatal(err)
		}
		if id <= last {
			t.Fatalf("%s follows %s", id, last)
		}
		last = id
	}
	if last.Time().Before(before) || last.Time().After(time.Now()) {
		t.Errorf("the id made now is of %s", last.Time())
	}
	if id, err := record.NewID("Shell"); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("NewID of a wrong name returns %q, %v", id, err)
	}
}

func TestZeroID(t *testing.T) {
	t.Parallel()
	for _, id := range []record.ID{"", "shell", record.ID(uuidText)} {
		if id.Executor() != "" || id.UUID() != "" || !id.Time().IsZero() {
			t.Errorf("%q: executor %q, UUID %q, time %s", id, id.Executor(), id.UUID(), id.Time())
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(example)
	f.Add("a-e677d21f-dc00-7000-8000-000000000000") // of the year 10000
	f.Add("a-ffffffff-ffff-7fff-bfff-ffffffffffff")
	f.Add("slurm_2-x--019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := record.ParseID(s)
		if err != nil {
			if !errors.Is(err, record.ErrInvalid) || id != "" {
				t.Errorf("ParseID(%q) returns %q, %v", s, id, err)
			}
			return
		}
		if string(id) != s || id.Executor()+"-"+id.UUID() != s {
			t.Errorf("ParseID(%q) returns %q of %q and %q", s, id, id.Executor(), id.UUID())
		}
		if err := record.CheckExecutor(id.Executor()); err != nil {
			t.Error(err)
		}
		if back, err := record.IDFromPath(id.Path()); back != id || err != nil {
			t.Errorf("IDFromPath(%q) returns %q, %v", id.Path(), back, err)
		}
		if strings.Count(id.Path(), "/") != 6 {
			t.Errorf("%s lies at %s", id, id.Path())
		}
	})
}
