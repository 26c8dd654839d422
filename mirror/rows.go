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

// The limits of columns, in bytes. Longer texts are cut between characters; the history
// has all of them.
const (
	maxText = 64 << 10 // command, message, output, error
	maxPath = 1000     // pwd, which is indexed
	maxName = 250      // user, host, branch
	maxFile = 4096     // other paths
	maxWord = 64       // signal, commits
	maxJSON = 1 << 20  // longer JSON is left out
	// maxDepth limits the nesting of JSON from other programs, since the databases have
	// limits of their own.
	maxDepth = 30
)

// timeLayout is the format of times in a database without a type for them. It sorts
// correctly, and the functions of sqlite can parse it.
const timeLayout = "2006-01-02 15:04:05.000000"

// A column of a table: its name, its kind, the version of the tables that introduced it,
// and its value for a record. record.Field defines most columns.
type column struct {
	name  string
	kind  record.Kind
	since int
	value func(*record.Record) any
}

// A table is a table written by the mirror. Its key is that of its first keys columns, of
// which home_id is the first.
type table struct {
	name    string
	columns []column
	keys    int
	since   int // the version of the tables that creates it
}

// names returns the columns of a version of the table.
func (t *table) names(version int) []string {
	names := []string{"home_id"}
	for _, c := range t.columns {
		if c.since <= version {
			names = append(names, c.name)
		}
	}
	return names
}

// tables are the tables written for a record.
type tables struct {
	version int // the newest version of a table or column

	tasks, runs, files, tags, notes table

	// ofTask are the columns that the view of the latest runs has from the tasks.
	ofTask []column
}

// all returns the tables, those first that others belong to.
func (t *tables) all() []*table { return []*table{&t.tasks, &t.runs, &t.files, &t.tags, &t.notes} }

// runKeys is the number of columns in the key of a run, home_id among them.
const runKeys = 4

// The versions of the tables that have added more than columns of the runs.
const (
	filesVersion = 3 // the table of files
	notesVersion = 5 // the tables of tags and notes
	namesVersion = 6 // the names of tasks, and which files were shared
)

// createdIn are the versions that create tables, by a file for each kind of database. The others add
// columns.
var createdIn = []int{1, filesVersion, notesVersion}

// tablesOf returns the tables with the columns of fields.
func tablesOf(fields []record.Field) *tables {
	t := &tables{version: namesVersion, tasks: table{name: "tasks", keys: 2, since: 1}, runs: table{name: "runs", keys: runKeys, since: 1}}
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
	t.ofTask = []column{{"created", record.Moment, 1, created}, {"name", record.Text, namesVersion, name}}
	t.tasks.columns = append([]column{id, of["executor"], of["command"], of["started"], of["host"]}, t.ofTask...)
	key := []column{of["task_id"], of["started"], of["host"]}
	t.runs.columns = slices.Concat(key, others, streamColumns("output", record.Stdout), streamColumns("error", record.Stderr), softwareColumns(),
		[]column{{"utc_offset", record.Integer, 1, offset}, {"more", record.Object, 1, moreOf}})
	t.files, t.tags, t.notes = filesTable(key), tagsTable(of["task_id"]), notesTable(of["task_id"])
	return t
}

func created(r *record.Record) any { return record.Time{Time: r.UID.Time()} }

func offset(r *record.Record) any {
	_, seconds := r.Data.Timestamp.Zone()
	return seconds
}

// bounds are the limits of texts that are shorter than maxText.
var bounds = map[string]int{
	"host": maxName, "username": maxName, "git_branch": maxName, "pwd": maxPath, "run_id": maxWord,
	"path": maxFile, "program": maxFile, "interpreter": maxFile, "environment": maxFile, "stdin_path": maxFile, "code_path": maxFile,
	"status": maxWord, "signal_name": maxWord, "git_commit": maxWord, "code_commit": maxWord, "previous_commit": maxWord, "job_id": maxWord, "job_state": maxWord, "check_of": maxWord, "check_verdict": maxWord,
}

// row returns the values of the columns, with that of home_id first.
func (t *table) row(d *dialect, home int64, r *record.Record) []any {
	row := make([]any, 1, len(t.columns)+1)
	row[0] = home
	for _, c := range t.columns {
		row = append(row, d.stored(c, c.value(r)))
	}
	return row
}

// stored converts a value for the database.
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

// streamColumns returns the columns of a stream: its text, the number of bytes that the
// command wrote, and whether the text is complete.
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

// text makes a string acceptable to every database: without U+0000, which PostgreSQL
// cannot store, and with at most limit bytes.
func text(s string, limit int) string {
	s = safe.Head(s, limit)
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	// The replacement takes three bytes.
	return text(strings.ReplaceAll(s, "\x00", "\uFFFD"), limit)
}

// The times that every database can store.
var (
	firstTime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

func (d *dialect) timeOf(t time.Time) any { return d.time(storable(t)) }

// storable returns the time as the database will store it.
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

// moreOf returns the data without a column: the descriptions of streams stored
// separately, and keys that this version does not know.
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

// plain decodes JSON of unknown structure, so that it is encoded in a form that every
// database reads. Numbers keep their spelling.
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

// asJSON returns nil, which is NULL, if the JSON is too long.
func asJSON(v any) any {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil || b.Len() > maxJSON {
		return nil
	}
	return withoutNUL(strings.TrimSuffix(b.String(), "\n"))
}

// withoutNUL replaces the escape of U+0000 in JSON, which PostgreSQL rejects.
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
