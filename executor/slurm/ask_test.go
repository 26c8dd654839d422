package slurm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qme/record"
)

// TestAsk asks a program of Slurm that is a script.
func TestAsk(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("SLURM_CLUSTERS", "other")
	for _, c := range []struct{ name, script, out, message string }{
		{"answers", `echo "$SLURM_TIME_FORMAT,$SLURM_CLUSTERS,$LC_ALL,$1"; echo note >&2`, "%s,,C,-n\n", ""},
		{"leaves a process with its output", `sleep 3 & echo out`, "out\n", ""},
		{"refuses", `echo "sacct: error: no such cluster" >&2; exit 1`, "", "sacct says: no such cluster"},
		{"fails", "exit 3", "", "sacct failed and said nothing"},
		{"hangs", "sleep 1000", "", "sacct did not answer in time (2s, the setting executor.slurm.timeout)"},
		{"dies", "echo partial; kill -KILL $$", "", "sacct has died (signal: killed)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "sacct"), []byte("#!/bin/sh\n"+c.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			out, err := New(Options{Timeout: 2 * time.Second}).ask(context.Background(), "sacct", "-n")
			switch {
			case c.message == "" && (err != nil || string(out) != c.out):
				t.Errorf("it said %q, %v, want %q", out, err, c.out)
			case c.message != "" && (!errors.Is(err, record.ErrUnavailable) || !strings.HasPrefix(err.Error(), c.message)):
				t.Errorf("the error is %v, want %s", err, c.message)
			case errors.Is(err, errLate) != (c.name == "hangs"):
				t.Errorf("that it is late: %v", err)
			}
		})
	}
	if err := os.Remove(filepath.Join(dir, "sacct")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if _, err := New(Options{}).ask(context.Background(), "sacct"); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "module load slurm") {
		t.Errorf("of a program that is not there: %v", err)
	}
}

// A caller that gives up gets its own context's error, and no word of the program.
func TestAskCancelled(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if err := os.WriteFile(filepath.Join(dir, "sacct"), []byte("#!/bin/sh\nsleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := New(Options{}).ask(ctx, "sacct"); !errors.Is(err, context.Canceled) || errors.Is(err, record.ErrUnavailable) {
		t.Errorf("it ended with %v", err)
	}
	// A time limit of the caller's is one of the answer.
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := New(Options{}).ask(ctx, "sacct"); !errors.Is(err, errLate) {
		t.Errorf("past the caller's limit: %v", err)
	}
}

func TestMessage(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"sacct: error: Slurm accounting storage is disabled\n":        "Slurm accounting storage is disabled",
		"scontrol: error: one\nscontrol: error: one\nscontrol: two\n": "one; scontrol: two",
		"sacct: error: If munged is up, restart with --num-threads=10\nsacct: error: Munge encode failed: Failed to access \"/run/munge/munge.socket.2\": No such file or directory\n" +
			"sacct: error: slurm_persist_conn_open: failed to send persistent connection init message to localhost:6819\nsacct: error: Sending PersistInit msg: Protocol authentication error\n": "Munge encode failed: Failed to access \"/run/munge/munge.socket.2\": No such file or directory (munged, which vouches for users, does not answer here)",
	} {
		if got := message(said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}

func TestReasons(t *testing.T) {
	got := readReasons("*** greeting ***\n56|DependencyNeverSatisfied\n58_[1-3%2]|ReqNodeNotAvail, UnavailableNodes:n[1-9]\n60+1|Resources\n57|JobHeldAdmin\nx|y\n")
	for id, want := range map[string]string{"56": "DependencyNeverSatisfied", "58_2": "ReqNodeNotAvail", "58": "ReqNodeNotAvail", "60+1": "Resources", "57": "JobHeldAdmin", "x": ""} {
		if got[id] != want {
			t.Errorf("%s waits for %q, want %q", id, got[id], want)
		}
	}
	for reason, never := range map[string]bool{"DependencyNeverSatisfied": true, "QOSMaxCpuPerJobLimit": true, "AssocGrpCpuLimit": false, "PartitionDown": false, "JobHeldUser": false, "Priority": false, "": false} {
		if isNever(reason) != never {
			t.Errorf("%q is never: %v", reason, !never)
		}
	}
}
