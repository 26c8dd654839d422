package record_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"qme/record"
)

func TestRunID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"x", "../x", "019aaf3c-1b2c-4d3e-8f40-5b1f0c2d9e7b", "019AAF3C-1B2C-7D3E-8F40-5B1F0C2D9E7B", "{019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7b}"} {
		b := []byte(strings.Replace(minimal, `"data":{`, `"data":{"run_id":"`+id+`",`, 1))
		if _, err := record.Decode(b); !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), "run id") {
			t.Errorf("run_id %q: %v", id, err)
		}
		if _, err := record.DecodeBrief(b); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("run_id %q, in brief: %v", id, err)
		}
	}
	if a, b := record.NewRunID(), record.NewRunID(); a >= b {
		t.Errorf("%s is not before %s", a, b)
	}
}

// A run stays the same one when more of it is known, and another run is another also at the
// same moment on the same machine. Runs without a name are told apart as before.
func TestSameRun(t *testing.T) {
	t.Parallel()
	now := record.Now()
	run := func(id record.RunID, at record.Time, host string) *record.Record {
		return &record.Record{Data: record.Data{RunID: id, Timestamp: at, Host: host}}
	}
	a, b := record.NewRunID(), record.NewRunID()
	for _, c := range []struct {
		x, y *record.Record
		want bool
	}{
		{run(a, now, "h"), run(a, now, "h"), true},
		{run(a, now, "h"), run(a, record.Time{Time: now.Add(time.Hour)}, "renamed"), true},
		{run(a, now, "h"), run(b, now, "h"), false},
		{run("", now, "h"), run("", record.Time{Time: now.UTC()}, "h"), true},
		{run("", now, "h"), run("", now, "other"), false},
		{run("", now, "h"), run("", record.Time{Time: now.Add(time.Microsecond)}, "h"), false},
		{run(a, now, "h"), run("", now, "h"), false},
	} {
		if got := record.SameRun(c.x, c.y); got != c.want {
			t.Errorf("%+v and %+v: %v", c.x.RunKey(), c.y.RunKey(), got)
		}
	}
}
