package mirror

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"qme/internal/safe"
	"qme/record"
)

// The bounds of columns, in bytes. What is longer is cut, between characters; the
// history has all of it.
const (
	maxText = 64 << 10 // command, message, output, error
	maxPath = 1000     // pwd: it is in an index
	maxName = 250      // user, host, branch
	maxWord = 64       // signal, commits
	maxJSON = 1 << 20  // what is longer is left out
	// maxDepth is how deep JSON may be nested that other programs have written; the
	// databases have bounds of their own.
	maxDepth = 30
)

// timeLayout is how a time stands in a database that has none: so that it sorts,
// and sqlite's functions read it.
const timeLayout = "2006-01-02 15:04:05.000000"

// A column of a table: its name, its kind, the version of the tables that brought it, and what
// it holds of a record, as record.Field has all of them.
type column struct {
	name  string
	kind  record.Kind
	since int
	value func(*record.Record) any
}

// A table is one that is written. Its first column is home_id; with it and the next ones,
// keys of them in all, begins its key.
type table struct {
	name    string
	columns []column
	keys    int
}

// names returns the names of the columns that a version of the tables has.
func (t *table) names(version int) []string {
	names := []string{"home_id"}
	for _, c := range t.columns {
		if c.since <= version {
			names = append(names, c.name)
		}
	}
	return names
}

// tables are those that are written of a record.
type tables struct {
	version     int // the newest one that a column is of
	tasks, runs table
}

// tablesOf returns the tables with the columns of fields.
func tablesOf(fields []record.Field) *tables {
	t := &tables{tasks: table{name: "tasks", keys: 2}, runs: table{name: "runs", keys: 4}}
	of := map[string]column{}
	keys := []string{"task_id", "started", "host"}
	var others []column
	for _, f := range fields {
		if f.Since == 0 {
			continue
		}
		c := column{f.Name, f.Kind, f.Since, f.Value}
		t.version = max(t.version, c.since)
		if of[c.name] = c; !slices.Contains(keys, c.name) {
			others = append(others, c)
		}
	}
	id := of["task_id"]
	id.name = "id"
	t.tasks.columns = []column{id, of["executor"], of["command"], {"created", record.Moment, 1, created}, of["started"], of["host"]}
	t.runs.columns = slices.Concat([]column{of["task_id"], of["started"], of["host"]}, others, streamColumns("output", record.Stdout), streamColumns("error", record.Stderr),
		[]column{{"utc_offset", record.Integer, 1, offset}, {"more", record.Object, 1, moreOf}})
	return t
}

func created(r *record.Record) any { return record.Time{Time: r.UID.Time()} }

func offset(r *record.Record) any {
	_, seconds := r.Data.Timestamp.Zone()
	return seconds
}

// bounds are those of texts that are shorter than maxText.
var bounds = map[string]int{
	"host": maxName, "username": maxName, "git_branch": maxName, "pwd": maxPath,
	"status": maxWord, "signal_name": maxWord, "git_commit": maxWord, "previous_commit": maxWord, "job_id": maxWord, "job_state": maxWord,
}

// row returns the values for the table's columns, that of the home first.
func (t *table) row(d *dialect, home int64, r *record.Record) []any {
	row := make([]any, 1, len(t.columns)+1)
	row[0] = home
	for _, c := range t.columns {
		row = append(row, d.stored(c, c.value(r)))
	}
	return row
}

// stored returns a value as the database takes it.
func (d *dialect) stored(c column, value any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case record.Time:
		return d.timeOf(v.Time)
	case string:
		return text(v, cmp.Or(bounds[c.name], maxText))
	}
	if c.kind == record.Object {
		return asJSON(value)
	}
	return value
}

// streamColumns are a stream's text, how many bytes the command wrote, and whether the text is
// all of them.
func streamColumns(name string, of record.StreamName) []column {
	size := func(lines []string) (n int) {
		for _, line := range lines {
			n += len(line)
		}
		return n
	}
	return []column{
		{name, record.Text, 1, func(r *record.Record) any {
			lines, _ := of.Of(r)
			return strings.Join(lines, "")
		}},
		{name + "_bytes", record.Bytes, 1, func(r *record.Record) any {
			lines, stored := of.Of(r)
			if stored != nil {
				return stored.Size
			}
			return size(lines)
		}},
		{name + "_whole", record.Flag, 1, func(r *record.Record) any {
			lines, stored := of.Of(r)
			hasNUL := func(line string) bool { return strings.IndexByte(line, 0) >= 0 }
			return stored == nil && size(lines) <= maxText && !slices.ContainsFunc(lines, hasNUL)
		}},
	}
}

// text makes a string what every database takes: without U+0000, which PostgreSQL
// has no place for, and of at most limit bytes.
func text(s string, limit int) string {
	s = safe.Head(s, limit)
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	// The mark takes three bytes.
	return text(strings.ReplaceAll(s, "\x00", "\uFFFD"), limit)
}

// The times that every database can hold.
var (
	firstTime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

func (d *dialect) timeOf(t time.Time) any { return d.time(storable(t)) }

// storable returns the time as it will be in the database.
func storable(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Microsecond)
	switch {
	case t.Before(firstTime):
		return firstTime
	case t.After(lastTime):
		return lastTime
	}
	return t
}

// moreOf is what has no column: of streams that are stored by themselves what
// describes them, and the keys that this version does not know.
func moreOf(r *record.Record) any {
	more := map[string]any{}
	if s := r.Data.Stdout; s != nil {
		more["stdout"] = s
	}
	if s := r.Data.Stderr; s != nil {
		more["stderr"] = s
	}
	if extra := plain(r.Data.Extra); extra != nil {
		more["data"] = extra
	}
	if extra := plain(r.Extra); extra != nil {
		more["record"] = extra
	}
	if len(more) == 0 {
		return nil
	}
	return more
}

// plain reads JSON of which nothing is known but that it is some, so that it is
// written in the one way that every database reads. Numbers stay as they are spelt.
func plain(extra map[string]json.RawMessage) map[string]any {
	if len(extra) == 0 {
		return nil
	}
	known := map[string]any{}
	for name, raw := range extra {
		var v any
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil || depth(v) > maxDepth {
			v = nil
		}
		known[name] = v
	}
	return known
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
	default:
		return 0
	}
	return deepest + 1
}

// asJSON returns nil, which is NULL, for what is too long.
func asJSON(v any) any {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil || b.Len() > maxJSON {
		return nil
	}
	return withoutNUL(strings.TrimSuffix(b.String(), "\n"))
}

// withoutNUL replaces the escape of U+0000 in JSON, which is no text to PostgreSQL.
func withoutNUL(s string) string {
	if !strings.Contains(s, `\u0000`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], `\u0000`):
			b.WriteString(`\ufffd`)
			i += len(`\u0000`)
		case s[i] == '\\':
			b.WriteString(s[i : i+2])
			i += 2
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}
