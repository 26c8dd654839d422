package tests

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"

	"qme/record"
)

// atWidth runs qme on a terminal of so many columns, and returns the lines on it.
func (h *home) atWidth(columns int, args ...string) []string {
	h.t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		h.t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		h.t.Fatal(err)
	}
	cmd := h.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	tty.Close()                  // else the terminal would not end with the command
	out, _ := io.ReadAll(master) // EIO says that nobody has the terminal any more
	if err := cmd.Wait(); err != nil {
		h.t.Fatalf("qme %v: %v: %s", args, err, out)
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(out), "\r\n", "\n"), "\n"), "\n")
}

// variedTasks has tasks with all that a listing shows.
func variedTasks(t *testing.T) *home {
	h := newHome(t)
	h.must("ls")
	h.env = []string{"NO_COLOR=1", "TERM=xterm", "PAGER=cat", "TZ=UTC", "LC_ALL=C.UTF-8"}
	for i, of := range []struct {
		command, message string
		began            time.Time
		duration         time.Duration
		code             int
		job              *record.Job
	}{
		{"python3 fit.py --config configs/experiments/baseline/with-a-long-name.yaml --seed 42 --epochs 100", "with the seeds of the paper, for figure 3", time.Now().Add(-150 * time.Minute), 75 * time.Second, 0, nil},
		{"for i in 1 2 3; do\n  echo $i\ndone", "", time.Now().Add(-60 * time.Hour), 3 * time.Millisecond, 0, nil},
		{"echo 'red\x1b[31m\a\tend\u202e'", "bell\a", time.Date(2025, 11, 23, 23, 30, 0, 0, time.UTC), 2 * time.Hour, 2, nil},
		{"echo 日本語のコマンドはとても長いので画面には入りません cafe\u0301", "日本語", time.Date(2025, 11, 22, 12, 0, 0, 0, time.UTC), time.Second, 0, nil},
		{"sbatch fit.sh", "", time.Date(2025, 11, 21, 12, 0, 0, 0, time.UTC), 10 * time.Millisecond, 0, &record.Job{ID: "4711", State: "OUT_OF_MEMORY", Final: true, Elapsed: 5000}},
	} {
		rec := ran(t, "", "")
		rec.UID = record.ID(fmt.Sprintf("shell-019aaf3c-%04d-7000-8000-000000000000", 9000-i))
		rec.Command, rec.Data.Message, rec.Data.Job = of.command, of.message, of.job
		rec.Data.PWD = filepath.Join(sharedFolder, fmt.Sprint("run", i%2))
		ended := record.Time{Time: of.began.Add(of.duration)}
		rec.Data.Timestamp, rec.Data.Finished, rec.Data.Duration, rec.Data.ReturnCode = record.Time{Time: of.began}, &ended, of.duration.Seconds(), &of.code
		if of.job != nil {
			rec.Executor = "slurm"
			rec.UID = record.ID("slurm-" + rec.UID.UUID())
		}
		h.put(rec)
	}
	h.must("-q", "name", "019aaf3c-9000", "baseline")
	h.must("-q", "tag", "019aaf3c-9000", "+paper", "+draft")
	return h
}

// sharedFolder is where the tasks of variedTasks ran.
const sharedFolder = "/data/shared"

// TestListingAtWidths shows what a terminal of some width has of each task.
func TestListingAtWidths(t *testing.T) {
	t.Parallel()
	h := variedTasks(t)
	for _, columns := range []int{60, 80, 120, 200} {
		lines := h.atWidth(columns, "ls")
		for _, line := range lines {
			if n := runewidth.StringWidth(line); n > columns || strings.ContainsAny(line, "\x1b\a\t") {
				t.Errorf("in %d columns a line has %d: %q", columns, n, line)
			}
		}
		golden := filepath.Join("testdata", "listing", fmt.Sprintf("%d.txt", columns))
		got := strings.Join(lines, "\n") + "\n"
		if os.Getenv("QME_GOLDEN") != "" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("a terminal of %d columns shows\n%swant\n%s", columns, got, want)
		}
	}
}

// TestListingColours shows that failures stand out, and headings.
func TestListingColours(t *testing.T) {
	t.Parallel()
	h := variedTasks(t)
	h.env = append(h.env, "NO_COLOR=")
	text := strings.Join(h.atWidth(80, "ls"), "\n")
	for _, want := range []string{"\x1b[1mID\x1b[0m", "\x1b[31m2\x1b[0m", "\x1b[32m0\x1b[0m", "\x1b[31mout_of_m…\x1b[0m"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%q", want, text)
		}
	}
	if text := strings.Join(h.atWidth(80, "--color", "never", "ls"), "\n"); strings.Contains(text, "\x1b") {
		t.Errorf("there are colours in\n%q", text)
	}
}

// TestListingOfMany shows that the rows after the first ones fit as well, and that an id is whole.
func TestListingOfMany(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("ls")
	h.env = []string{"NO_COLOR=1", "TERM=xterm", "PAGER=cat"}
	for i := range 110 {
		rec := ran(t, "", "")
		rec.UID = record.ID(fmt.Sprintf("shell-019aaf3c-%04d-7000-8000-000000000000", 1000+i))
		if i < 2 { // of one millisecond, so that their names have further digits
			rec.UID = record.ID(fmt.Sprintf("shell-019aaf3c-1000-700%d-8000-000000000000", i))
		}
		rec.Data.Timestamp = record.Time{Time: rec.UID.Time()}
		if i < 5 {
			rec.Command = "a command that is longer than those of the first rows " + strings.Repeat("x", 200)
			rec.Data.Message = "unseen"
		}
		h.put(rec)
	}
	for _, columns := range []int{40, 80, 200} {
		lines := h.atWidth(columns, "ls")
		if len(lines) != 111 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines {
			if n := runewidth.StringWidth(line); n > columns {
				t.Errorf("in %d columns a line has %d: %q", columns, n, line)
			}
		}
		for i, id := range []string{"019aaf3c-1000-7001", "019aaf3c-1000-7000"} {
			if line := lines[109+i]; !strings.HasPrefix(line, id+"  ") {
				t.Errorf("line %q does not begin with %s", line, id)
			}
		}
		if columns == 200 && runewidth.StringWidth(lines[108]) != 200 {
			t.Errorf("a long command has not what is left of the line: %q", lines[108])
		}
	}
}

// TestListingSince shows that --since lists what a search finds after a time, in the order of all, and
// that it needs no index: also of tasks that were run again, or by a clock that is wrong.
func TestListingSince(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("ls")
	base := time.Now().Add(-24 * time.Hour).Truncate(time.Millisecond)
	for i, began := range []time.Duration{
		0, time.Second, 2 * time.Second, 2*time.Second + 500*time.Microsecond, time.Hour, 90 * time.Minute, // as their ids say
		5 * time.Hour, -5 * time.Hour, 48 * time.Hour, 72 * time.Hour, // run again, before their time, and in the future
	} {
		made := base.Add(began)
		if i > 5 {
			made = base.Add(time.Duration(i) * time.Second)
		}
		rec := ran(t, "", "")
		ms := made.UnixMilli()
		rec.UID = record.ID(fmt.Sprintf("shell-%08x-%04x-7000-8000-%012d", ms>>16, ms&0xffff, i))
		rec.Data.Timestamp = record.Time{Time: base.Add(began)}
		h.put(rec)
	}
	all := strings.Fields(h.must("ls", "--ids"))
	for _, after := range []time.Duration{-6 * time.Hour, -time.Hour, 0, time.Microsecond, 999 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, time.Hour, 4 * time.Hour, 5 * time.Hour, 20 * time.Hour, 40 * time.Hour, 60 * time.Hour, 100 * time.Hour} {
		when := base.Add(after).UTC().Format("2006-01-02T15:04:05Z")
		got := strings.Fields(h.must("ls", "--since", when, "--ids"))
		if _, err := os.Stat(filepath.Join(h.dir, "index")); err == nil && after == -6*time.Hour {
			t.Error("there is an index")
		}
		want := strings.Fields(h.must("search", "--ids", "after:"+when))
		if !slices.Equal(got, want) {
			t.Errorf("since %s: %v, want %v", after, got, want)
		}
		if len(got) == 0 && after < 72*time.Hour || !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(all, a) - slices.Index(all, b) }) {
			t.Errorf("since %s: %v of %v", after, got, all)
		}
		if longest := strings.Fields(h.must("ls", "--since", when, "--ids", "--sort", "created")); len(longest) != len(want) {
			t.Errorf("since %s, as they were made: %v", after, longest)
		}
	}
}
