package worktree

import (
	"slices"
	"testing"
	"time"
)

func TestCommitted(t *testing.T) {
	w := newWorld(t)
	w.git("init", "-q")
	for _, name := range []string{"same", "changed", "staged", "sub/same", "sub/deep/same", "mode"} {
		w.write(name, name+"\n")
	}
	w.git("add", ".")
	w.git("commit", "-q", "-m", "first")
	w.write("changed", "CHANGED\n")
	w.write("staged", "STAGED\n")
	w.git("add", "staged")
	w.write("untracked", "x\n")
	w.write("new", "x\n")
	w.git("add", "new")
	var paths []string
	for _, name := range []string{"changed", "missing", "mode", "new", "same", "staged", "sub/deep/same", "sub/same", "untracked"} {
		paths = append(paths, w.path(name))
	}
	paths = append(paths, "/dev/null")
	got := Committed(paths, time.Now().Add(time.Minute))
	if len(got) != 1 || got[0].Name == "" {
		t.Fatalf("got %+v", got)
	}
	want := []string{w.path("mode"), w.path("same"), w.path("sub/deep/same"), w.path("sub/same")}
	if !slices.Equal(got[0].Path, want) {
		t.Errorf("got %q, want %q", got[0].Path, want)
	}
	if late := Committed(paths, time.Now()); len(late) != 0 {
		t.Errorf("after the deadline: %+v", late)
	}
}
