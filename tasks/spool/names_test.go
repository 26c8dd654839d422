package spool_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/spool"
)

// Two runs that are alive know of the files that both name, and of no others; what is known of a run
// that was cut off stays, and one that has ended counts with its outputs alone.
func TestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := spool.New(afero.NewOsFs(), dir)
	begin := func(names []spool.Name, all bool) (*spool.Entry, record.ID) {
		t.Helper()
		rec := running(t)
		e, err := s.Begin(rec)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Share(names, all); err != nil {
			t.Fatal(err)
		}
		return e, rec.UID
	}
	key := func(c string) string { return strings.Repeat(c, 32) }
	others := func(e *spool.Entry) string {
		t.Helper()
		list, err := e.Others()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, o := range list {
			b.WriteString(o.Key[:1])
			if o.To {
				b.WriteString(" to")
			}
			if o.Out {
				b.WriteString(" out")
			}
			b.WriteString(";")
		}
		return b.String()
	}
	a, _ := begin([]spool.Name{{Key: key("a"), State: key("1")[:16]}, {Key: key("b"), To: true}}, false)
	if got := others(a); got != "" {
		t.Errorf("alone: %s", got)
	}
	b, _ := begin([]spool.Name{{Key: key("a"), To: true}, {Key: key("c")}}, false)
	all, allID := begin(nil, true)
	if got := others(a); got != "a to;" {
		t.Errorf("the first: %s", got)
	}
	if got := others(b); got != "a;" {
		t.Errorf("the second: %s", got)
	}
	if got := others(all); strings.Count(got, ";") != 4 {
		t.Errorf("one with patterns: %s", got)
	}
	if err := b.Tell(func() map[string]bool { return map[string]bool{key("c"): true, key("d"): true} }); err != nil {
		t.Fatal(err)
	}
	if got := others(a); got != "" {
		t.Errorf("of a run that has ended and not changed it: %s", got)
	}
	if got := others(all); !strings.Contains(got, "c out;") || !strings.Contains(got, "d out;") || strings.Contains(got, "a to") {
		t.Errorf("of a run that has ended: %s", got)
	}
	// What is no line is left out, whatever has written it.
	file := filepath.Join(dir, string(allID), "names")
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := others(all)
	if _, err := f.WriteString("\x00\nout ../x y z\nout " + string(allID) + "\n\n" + strings.Repeat("x", 1<<21)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := others(all); got != before {
		t.Errorf("with damage: %s, before %s", got, before)
	}
	if err := a.Tell(func() map[string]bool { return map[string]bool{key("a"): true} }); err != nil || others(all) != before {
		t.Errorf("above the bound: %v %s", err, others(all))
	}
	if err := os.RemoveAll(filepath.Join(dir, string(allID))); err != nil {
		t.Fatal(err)
	}
	if err := a.Tell(func() map[string]bool { return nil }); err != nil {
		t.Errorf("of a run that is gone: %v", err)
	}
	for _, e := range []*spool.Entry{a, b} {
		if err := e.Remove(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}
