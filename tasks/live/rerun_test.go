package live_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/record"
	"qme/tasks"
	"qme/tasks/live"
)

// reports has the next children report.
func (b *bench) reports(rep live.Report) {
	b.t.Helper()
	text, err := json.Marshal(rep)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.Service.Home, reportFile), text, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestRerun(t *testing.T) {
	b := newBench(t)
	id := b.run("shell", "true")
	b.reports(live.Report{Started: true})
	if err := b.Rerun(t.Context(), id, live.Agreement{}); err != nil {
		t.Fatal(err)
	}
	if words := b.started(1); !slices.Equal(words, []string{"-q rerun --no-output --report " + string(id)}) {
		t.Errorf("it has started %q", words)
	}
	if err := b.Rerun(t.Context(), b.running(), live.Agreement{}); !errors.Is(err, record.ErrConflict) {
		t.Errorf("of a task that is running: %v", err)
	}
}

// The reason why the process of a rerun does not run the command comes back.
func TestRerunThatDoesNotBegin(t *testing.T) {
	b := newBench(t)
	id := b.run("shell", "true")
	if err := b.Rerun(t.Context(), id, live.Agreement{}); err == nil || !strings.Contains(err.Error(), "ended with 0") {
		t.Errorf("of a process that does not report: %v", err)
	}
	b.reports(live.Report{Detail: "no disk"})
	if err := b.Rerun(t.Context(), id, live.Agreement{}); err == nil || err.Error() != "no disk" || errors.Is(err, record.ErrConflict) {
		t.Errorf("of a process that reports an error: %v", err)
	}
	b.reports(live.Report{Refused: true, Detail: "its directory is gone"})
	if err := b.Rerun(t.Context(), id, live.Agreement{}); !errors.Is(err, record.ErrConflict) || err.Error() != "its directory is gone" {
		t.Errorf("of a process that refuses: %v", err)
	}
}

func TestRerunOfAForeignCommand(t *testing.T) {
	b := newBench(t)
	id := b.foreign()
	b.reports(live.Report{Started: true})
	var shown *tasks.ForeignError
	if err := b.Rerun(t.Context(), id, live.Agreement{}); !errors.As(err, &shown) || shown.Command != "sbatch x" {
		t.Fatalf("without agreement: %v", err)
	}
	if words := b.started(0); len(words) > 0 {
		t.Fatalf("without agreement it has started %q", words)
	}
	if err := b.Rerun(t.Context(), id, live.Agreement{Confirm: true, Digest: shown.Digest}); err != nil {
		t.Fatal(err)
	}
	if words := b.started(1); !slices.Equal(words, []string{"-q rerun --no-output --report --yes " + string(id)}) {
		t.Errorf("it has started %q", words)
	}
}

// A process that no server has started has nowhere to report to.
func TestNewReporterElsewhere(t *testing.T) {
	if _, err := live.NewReporter(); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("it reports to what is no pipe: %v", err)
	}
}
