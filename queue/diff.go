package queue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"qme/record"
)

// A Comparison says what differs between two runs.
type Comparison struct {
	A, B   Version
	Fields []FieldChange // what is not output, in a fixed order
	Stdout StreamChange
	Stderr StreamChange
}

// A FieldChange is one value that differs; "" means that there is none.
type FieldChange struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// A StreamChange is a stream that may differ.
type StreamChange struct {
	Same bool
	// From and To are the streams as text when both are UTF-8 and no longer than the limit
	// of Compare; else Note says how they differ.
	From, To string
	Note     string
}

// Same reports whether the runs had the same result: return code, status and
// output. How long they took does not count.
func (c *Comparison) Same() bool {
	rcA, rcB := c.A.Record.Data.ReturnCode, c.B.Record.Data.ReturnCode
	sameRC := rcA == rcB || rcA != nil && rcB != nil && *rcA == *rcB
	return sameRC && c.A.Record.Data.Status == c.B.Record.Data.Status && c.Stdout.Same && c.Stderr.Same
}

// Compare compares two runs. Streams of more than limit bytes are only told
// apart, not returned.
func (q *Queue) Compare(a, b Version, limit int64) (*Comparison, error) {
	c := &Comparison{A: a, B: b}
	fa, fb := fields(a.Record), fields(b.Record)
	for i := range fa {
		if fa[i].From != fb[i].From {
			c.Fields = append(c.Fields, FieldChange{fa[i].Name, fa[i].From, fb[i].From})
		}
	}
	c.Fields = append(c.Fields, envChanges(a.Record.Data.Env, b.Record.Data.Env)...)
	for name, change := range map[record.StreamName]*StreamChange{record.Stdout: &c.Stdout, record.Stderr: &c.Stderr} {
		if err := compareStream(change, a, b, name, limit); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// fields lists a record's values, each in From.
func fields(r *record.Record) []FieldChange {
	d := r.Data
	rc, branch, commit, dirty := "", "", "", ""
	if d.ReturnCode != nil {
		rc = strconv.Itoa(*d.ReturnCode)
	}
	if d.Git != nil {
		branch, commit, dirty = d.Git.Branch, d.Git.Commit, "unknown"
		if d.Git.Dirty != nil {
			dirty = strconv.FormatBool(*d.Git.Dirty)
		}
	}
	duration := time.Duration(d.Duration * float64(time.Second)).Round(time.Microsecond).String()
	return []FieldChange{
		{Name: "command", From: r.Command}, {Name: "pwd", From: d.PWD}, {Name: "message", From: d.Message},
		{Name: "status", From: string(d.Status)}, {Name: "returncode", From: rc}, {Name: "signal", From: d.Signal},
		{Name: "duration", From: duration}, {Name: "user", From: d.User}, {Name: "host", From: d.Host},
		{Name: "git.commit", From: commit}, {Name: "git.branch", From: branch}, {Name: "git.dirty", From: dirty},
	}
}

func envChanges(a, b map[string]string) []FieldChange {
	names := map[string]bool{}
	for _, env := range []map[string]string{a, b} {
		for n := range env {
			names[n] = true
		}
	}
	var changes []FieldChange
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if a[n] != b[n] {
			changes = append(changes, FieldChange{"env." + n, a[n], b[n]})
		}
	}
	return changes
}

func compareStream(change *StreamChange, a, b Version, name record.StreamName, limit int64) error {
	sa, sb := describe(a, name), describe(b, name)
	if sa.sum != "" && sa.sum == sb.sum {
		change.Same = true
		return nil
	}
	if sa.size > limit || sb.size > limit {
		change.Note = fmt.Sprintf("%d bytes%s became %d bytes%s", sa.size, sa.shownSum(), sb.size, sb.shownSum())
		return nil
	}
	ba, err := readStream(a, name)
	if err != nil {
		return err
	}
	bb, err := readStream(b, name)
	if err != nil {
		return err
	}
	switch {
	case bytes.Equal(ba, bb) && sa.size == sb.size:
		change.Same = true
	case !utf8.Valid(ba) || !utf8.Valid(bb):
		change.Note = fmt.Sprintf("binary: %d bytes became %d bytes", sa.size, sb.size)
	default:
		change.From, change.To = string(ba), string(bb)
	}
	return nil
}

type streamFacts struct {
	size int64
	sum  string // "" when unknown
}

func (f streamFacts) shownSum() string {
	if f.sum == "" {
		return ""
	}
	return " (SHA-256 " + f.sum[:min(12, len(f.sum))] + ")"
}

func describe(v Version, name record.StreamName) streamFacts {
	lines, s := name.Of(v.Record)
	if s != nil {
		return streamFacts{s.Size, s.SHA256}
	}
	var f streamFacts
	for _, l := range lines {
		f.size += int64(len(l))
	}
	return f
}

func readStream(v Version, name record.StreamName) ([]byte, error) {
	r, err := v.Stream(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}
