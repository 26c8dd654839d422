package capture

import (
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

// What is not the runtime's table in all its places is not taken for it.
func TestPlausible(t *testing.T) {
	const mark = 0x401000
	ignored := uintptr(actionDefault)
	if signal.Ignored(unix.SIGHUP) {
		ignored = actionIgnore
	}
	for _, c := range []struct {
		name   string
		change func(*actionTable)
		want   bool
	}{
		{"as it is", func(*actionTable) {}, true},
		{"with ignored signals", func(t *actionTable) { t[unix.SIGTERM], t[40] = actionIgnore, actionIgnore }, true},
		{"with a handler of the C library", func(t *actionTable) { t[33] = 0x7f001000 }, true},
		{"with another handler", func(t *actionTable) { t[unix.SIGTERM] = 0x7f001000 }, false},
		{"with the mark once more", func(t *actionTable) { t[62] = mark }, false},
		{"with one mark", func(t *actionTable) { t[marked[0]] = actionDefault }, false},
		{"with another mark", func(t *actionTable) { t[marked[1]] = mark + 1 }, false},
		{"with a signal 0", func(t *actionTable) { t[0] = actionIgnore }, false},
		{"with SIGKILL ignored", func(t *actionTable) { t[unix.SIGKILL] = actionIgnore }, false},
		{"with another SIGHUP than the runtime tells", func(t *actionTable) { t[unix.SIGHUP] = 1 - ignored }, false},
	} {
		var table actionTable
		table[marked[0]], table[marked[1]], table[unix.SIGHUP] = mark, mark, ignored
		if signal.Ignored(unix.SIGINT) {
			table[unix.SIGINT] = actionIgnore
		}
		c.change(&table)
		if got := table.plausible(mark); got != c.want {
			t.Errorf("a table %s is plausible: %v", c.name, got)
		}
	}
}

// The search ends without a table, and without a crash, where memory ends.
func TestSearchEnds(t *testing.T) {
	size := 8
	for _, step := range []int{size, -size, 1 << 20 * size, -1 << 20 * size} {
		if _, ok := search(step, 0x12345678); ok {
			t.Errorf("in steps of %d there is a table", step)
		}
	}
}
