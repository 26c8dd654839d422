package mirror

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"qme/record"
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
	row := sqliteDialect.runRow(1, r)
	if len(row) != len(runsTable.columns) {
		t.Fatalf("%d values for %d columns", len(row), len(runsTable.columns))
	}
	limits := map[string]int{"pwd": maxPath, "username": maxName, "host": maxName, "git_branch": maxName, "git_commit": maxWord, "signal_name": maxWord, "previous_commit": maxWord}
	got := map[string]any{}
	for i, name := range runsTable.columns {
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

// TestDialects: every database has all migrations, and statements in its own way.
func TestDialects(t *testing.T) {
	for kind, d := range dialects {
		files, err := migrations.ReadDir("migrations/" + d.folder)
		if err != nil || len(files) != schemaVersion {
			t.Errorf("%s: %d migrations, want %d (%v)", kind, len(files), schemaVersion, err)
		}
	}
	if got := postgresDialect.upsert(&table{name: "t", key: 1, columns: []string{"a", "b"}}, 2); got != "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT (a) DO UPDATE SET b = excluded.b" {
		t.Error(got)
	}
}
