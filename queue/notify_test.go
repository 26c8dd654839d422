package queue

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/record"
)

// ended returns the record of a task that has ended with a code.
func ended(code int, took float64) *record.Record {
	return &record.Record{Executor: "shell", UID: taskID(1), Command: "work", Data: record.Data{
		Timestamp: record.Now(), Status: record.Complete, ReturnCode: &code, Duration: took, Run: 1, Output: []string{}, Error: []string{},
		Cmd: []string{"work"}, RunID: record.NewRunID(), Queue: &record.Queue{Added: record.Now()},
	}}
}

func TestNoticesOfTasks(t *testing.T) {
	cancelled := ended(0, 1)
	cancelled.Data.Status = record.Cancelled
	for name, test := range map[string]struct {
		rec  *record.Record
		when []string // for which it is told
	}{
		"short and well": {ended(0, 1), []string{EventAll}},
		"long and well":  {ended(0, 61), []string{EventAll, EventLong}},
		"failed":         {ended(1, 1), []string{EventAll, EventFailed}},
		"cancelled":      {cancelled, []string{EventAll, EventFailed}},
		"long, failed":   {ended(1, 60), []string{EventAll, EventFailed, EventLong}},
	} {
		for _, when := range Events {
			n := Notices{Command: "true", When: []string{when}, Longer: time.Minute}
			if got := n.ofTask(test.rec); got != slices.Contains(test.when, when) {
				t.Errorf("%s, %s: %v", name, when, got)
			}
		}
	}
}

// The command gets the record and the variables, in the home, and no others of the kind.
func TestNotify(t *testing.T) {
	home := t.TempDir()
	t.Setenv("QME_RUN", "another")
	t.Setenv("QME_TASK", "another")
	t.Setenv("OWN", "stays")
	n := Notices{Command: `cat >record; echo "$QME_TASK $QME_STATUS $QME_RETURNCODE $QME_EVENT $OWN ${QME_RUN-none}" >said`}
	rec := ended(3, 1)
	if err := n.Notify(t.Context(), home, "task", rec); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(home, "record"))
	if err != nil {
		t.Fatal(err)
	}
	var got record.Record
	if err := json.Unmarshal(b, &got); err != nil || got.UID != rec.UID || got.Code() == nil || *got.Code() != 3 {
		t.Errorf("the record: %v: %s", err, b)
	}
	if b, err = os.ReadFile(filepath.Join(home, "said")); string(b) != string(rec.UID)+" failed 3 task stays none\n" {
		t.Errorf("it has %q, %v", b, err)
	}
}

// A command that fails, or reads nothing, is told with what it says; it may leave something running.
func TestNotifyFails(t *testing.T) {
	rec := ended(0, 1)
	rec.Data.Output = []string{strings.Repeat("x", 1<<20)}
	home := t.TempDir()
	err := Notices{Command: `printf 'no\n\033[1mway'; printf '%01000d' 5 >&2; exit 4`}.Notify(t.Context(), home, "task", rec)
	if err == nil || !strings.Contains(err.Error(), "exit status 4: no") || strings.Contains(err.Error(), "\033") || len(err.Error()) > 1000 {
		t.Errorf("a command that fails: %v", err)
	}
	if err := (Notices{Command: "exit 0"}).Notify(t.Context(), home, "task", rec); err != nil {
		t.Errorf("a command that does not read: %v", err)
	}
	if err := (Notices{Command: "sleep 1000 & echo $! >pid"}).Notify(t.Context(), home, "task", rec); err != nil {
		t.Errorf("a command that leaves something: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(home, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
		t.Errorf("what it has left, %d, is gone: %v", pid, err)
	}
}
