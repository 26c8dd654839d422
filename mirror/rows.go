package mirror

import (
	"bytes"
	"encoding/json"
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

var tasksTable = table{name: "tasks", key: 2, columns: []string{"home_id", "id", "executor", "command", "created", "started", "host"}}

var runsTable = table{name: "runs", key: 4, columns: []string{
	"home_id", "task_id", "started", "host",
	"executor", "command", "run", "username", "pwd", "message", "status", "returncode", "signal_name", "pid", "finished", "utc_offset", "duration",
	"cpu_user", "cpu_system", "max_rss", "git_commit", "git_branch", "git_dirty",
	"output", "output_bytes", "output_whole", "error", "error_bytes", "error_whole", "previous_commit", "job_id", "job_state", "job_returncode", "cmd", "env", "job", "more",
}}

// taskRow returns the values for tasksTable.
func (d *dialect) taskRow(home int64, r *record.Record) []any {
	return []any{home, string(r.UID), r.Executor, text(r.Command, maxText), d.timeOf(r.UID.Time()), d.timeOf(r.Data.Timestamp.Time), text(r.Data.Host, maxName)}
}

// runRow returns the values for runsTable.
func (d *dialect) runRow(home int64, r *record.Record) []any {
	v := &r.Data
	_, offset := v.Timestamp.Zone()
	row := []any{
		home, string(r.UID), d.timeOf(v.Timestamp.Time), text(v.Host, maxName),
		r.Executor, text(r.Command, maxText), v.Run, text(v.User, maxName), text(v.PWD, maxPath), text(v.Message, maxText),
		orNull(string(v.Status), maxWord), nil, orNull(v.Signal, maxWord), v.PID, nil, offset, v.Duration,
		nil, nil, nil, nil, nil, nil,
	}
	if v.ReturnCode != nil {
		row[11] = *v.ReturnCode
	}
	if v.Finished != nil {
		row[14] = d.timeOf(v.Finished.Time)
	}
	if u := v.Usage; u != nil {
		row[17], row[18], row[19] = u.User, u.System, nil
		if u.MaxRSS > 0 { // else it was not recorded
			row[19] = u.MaxRSS
		}
	}
	if g := v.Git; g != nil {
		row[20], row[21] = orNull(g.Commit, maxWord), orNull(g.Branch, maxName)
		if g.Dirty != nil {
			row[22] = *g.Dirty
		}
	}
	row = append(row, streamColumns(r, record.Stdout)...)
	row = append(row, streamColumns(r, record.Stderr)...)
	row = append(row, orNull(v.Previous, maxWord))
	row = append(row, jobColumns(v.Job)...)
	return append(row, asJSON(v.Cmd), envOf(v), jobOf(v.Job), moreOf(r))
}

// streamColumns are a stream's text, how many bytes the command wrote, and whether
// the text is all of them.
func streamColumns(r *record.Record, name record.StreamName) []any {
	lines, stored := name.Of(r)
	whole := strings.Join(lines, "")
	kept := text(whole, maxText)
	if stored != nil {
		return []any{kept, stored.Size, false}
	}
	return []any{kept, len(whole), kept == whole}
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

func orNull(s string, limit int) any {
	if s == "" {
		return nil
	}
	return text(s, limit)
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

func envOf(d *record.Data) any {
	if len(d.Env) == 0 {
		return nil
	}
	return asJSON(d.Env)
}

// jobColumns are what is asked most of a job.
func jobColumns(j *record.Job) []any {
	if j == nil {
		return []any{nil, nil, nil}
	}
	columns := []any{text(j.ID, maxWord), orNull(j.State, maxWord), nil}
	if j.ReturnCode != nil {
		columns[2] = *j.ReturnCode
	}
	return columns
}

// jobOf is all of a job but the keys that this version does not know.
func jobOf(j *record.Job) any {
	if j == nil {
		return nil
	}
	known := *j
	known.Extra = nil
	return asJSON(known)
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
	return asJSON(more)
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
