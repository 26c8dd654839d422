package tests

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/visible"
	"qme/record"
	"qme/tests/genhistory/history"
)

// searched returns the ids of the tasks that hold a text, by their records.
func searched(records []*record.Record, text string) []string {
	ids := []string{}
	for _, r := range records {
		d := r.Data
		all := []string{r.Command, d.Message, d.PWD, d.User, d.Host, string(r.UID), visible.Text(strings.Join(d.Output, "")), visible.Text(strings.Join(d.Error, ""))}
		if slices.ContainsFunc(all, func(s string) bool { return strings.Contains(strings.ToLower(s), text) }) {
			ids = append(ids, string(r.UID))
		}
	}
	return ids
}

var needles = []string{"t1w", "seed=4", "zzzz", "error", "%"}

func checkSearch(t *testing.T, h *home, records []*record.Record) {
	t.Helper()
	for _, text := range needles {
		got := strings.Fields(h.must("search", "--ids", text))
		if want := searched(records, text); !slices.Equal(got, want) {
			t.Errorf("%s: %d tasks, want %d", text, len(got), len(want))
		}
	}
}

func withHistory(t *testing.T, n int) *home {
	t.Helper()
	h := newHome(t)
	if _, err := history.Generate(t.Context(), h.dir, history.Options{Tasks: n, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestSearchKilled kills searches, by SIGKILL, while they index: the next one finds all
// there is.
func TestSearchKilled(t *testing.T) {
	h := withHistory(t, 1500)
	records := h.records()
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	begin := time.Now()
	h.must("search", "zzzz") // how long it takes to index
	took := time.Since(begin)
	killed := 0
	for range 15 {
		if err := os.RemoveAll(filepath.Join(h.dir, "index")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if killAt(t, h, time.Duration(rnd.Int64N(int64(took))), "search", "zzzz") {
				killed++
			}
		}
		checkSearch(t, h, records)
		if left, err := filepath.Glob(filepath.Join(h.dir, "index*")); err != nil || len(left) != 2 { // the index and its lock
			t.Errorf("there is %v (%v)", left, err)
		}
	}
	if killed < 5 {
		t.Errorf("only %d were killed: the test does not test", killed)
	}
}

// TestSearchTogether searches while tasks are run and the index is removed: each run that
// had returned is found.
func TestSearchTogether(t *testing.T) {
	h := withHistory(t, 300)
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() {
		for ctx.Err() == nil {
			_ = os.RemoveAll(filepath.Join(h.dir, "index")) // or some of it: a writer may add a file
			h.run("search", "other")
		}
	})
	others.Go(func() {
		for ctx.Err() == nil {
			h.run("search", "zzzz")
		}
	})
	for i := range 30 {
		h.must("-q", "-m", "needle", "run", "true")
		if got := strings.Fields(h.must("search", "--ids", "message:needle")); len(got) != i+1 {
			t.Errorf("after %d runs %d are found", i+1, len(got))
		}
	}
	cancel()
	others.Wait()
}

// TestSearchInterrupted presses Ctrl-C while the index is made, and while another process
// makes it: nothing is left of the attempt, and the next search finds all.
func TestSearchInterrupted(t *testing.T) {
	t.Parallel()
	h := withHistory(t, 1500)
	index := filepath.Join(h.dir, "index")
	for code := 0; code != 130; {
		if err := os.RemoveAll(index); err != nil {
			t.Fatal(err)
		}
		cmd := h.command("search", "zzzz")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for made := []string(nil); made == nil; {
			var err error
			if made, err = filepath.Glob(index + ".new-*"); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // an error where the code is not 0
		code = cmd.ProcessState.ExitCode()
		if code != 0 && code != 130 { // 0: it was faster
			t.Fatalf("search ended with %d", code)
		}
	}
	if left, err := filepath.Glob(index + "*"); err != nil || !slices.Equal(left, []string{index + ".lock"}) {
		t.Errorf("there is %v (%v)", left, err)
	}
	lock, err := os.OpenFile(index+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	interrupt(t, h, "Another process is making", "search", "zzzz")
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	checkSearch(t, h, h.records())
}
