package usage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/record"
)

// A machine is a folder with the files of processes, as /proc has them.
type machine struct {
	t    *testing.T
	root string
	runs int
}

// A fake is a process of a machine.
type fake struct {
	pid, parent    int
	group, session int
	state          string // R unless set
	born           int    // its pid unless set
	ticks, waited  int
	pages          int // of 4 KiB, each its own
	read, written  int
	env            string
	closed         bool // io and memory belong to another user
	hidden         bool // by hidepid=2
	idle           bool // it has not run since it was set the last time
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, root: t.TempDir()}
	m.set(fake{pid: os.Getpid(), parent: 1, session: 7, born: 1}, 100)
	m.set(fake{pid: 1, born: 1})
	return m
}

// set makes a process what it is now, with its children.
func (m *machine) set(f fake, children ...int) {
	m.t.Helper()
	if f.state == "" {
		f.state = "R"
	}
	if f.born == 0 {
		f.born = 1000 + f.pid
	}
	m.remove(f.pid)
	list := ""
	for _, c := range children {
		list += fmt.Sprint(c, " ")
	}
	if f.hidden {
		return
	}
	if !f.idle {
		m.runs++
	}
	m.write(f.pid, fmt.Sprintf("task/%d/children", f.pid), list)
	m.write(f.pid, "schedstat", fmt.Sprintf("%d 0 1\n", m.runs))
	m.write(f.pid, "environ", f.env)
	m.write(f.pid, "stat", fmt.Sprintf("%d (a) Z 1 (\n b) %s %d %d %d 0 -1 0 0 0 0 0 %d 0 %d 0 20 0 1 0 %d 0 %d 0\n",
		f.pid, f.state, f.parent, f.group, f.session, f.ticks, f.waited, f.born, f.pages))
	if !f.closed {
		m.write(f.pid, "io", fmt.Sprintf("rchar: %d\nwchar: %d\nsyscr: 1\n", f.read, f.written))
		kb := f.pages * os.Getpagesize() / 1024
		m.write(f.pid, "smaps_rollup", fmt.Sprintf("0-1 ---p 0 00:00 0 [rollup]\nRss: %8d kB\nPss: %8d kB\nPrivate_Dirty: %4d kB\n", kb, kb, kb))
	}
}

func (m *machine) remove(pid int) { _ = os.RemoveAll(filepath.Join(m.root, fmt.Sprint(pid))) }

func (m *machine) write(pid int, name, content string) {
	m.t.Helper()
	path := filepath.Join(m.root, fmt.Sprint(pid), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) tree() *tree {
	t := newTree(100, "QME_TASK=a")
	t.files.Root = m.root
	return t
}

// look takes a sample, in pages instead of bytes.
func look(t *testing.T, tr *tree) Sample {
	t.Helper()
	x, _, ok := tr.look()
	if !ok {
		t.Fatal("no sample was taken")
	}
	x.Memory /= pageSize
	return x
}

func check(t *testing.T, what string, got, want Sample) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %+v; want %+v", what, got, want)
	}
}

func TestTree(t *testing.T) {
	m := newMachine(t)
	m.set(fake{pid: 100, ticks: 10, pages: 5, read: 7}, 101)
	m.set(fake{pid: 101, parent: 100, ticks: 20, pages: 3, written: 9}, 102)
	m.set(fake{pid: 102, parent: 101, pages: 2, state: "Z"})
	tr := m.tree()
	check(t, "first", look(t, tr), Sample{User: 0.3, Memory: 8, Read: 7, Written: 9, Processes: 2})
	check(t, "nothing has changed", look(t, tr), Sample{Memory: 8, Processes: 2})

	m.set(fake{pid: 100, ticks: 12, pages: 4, read: 8}, 101)
	check(t, "100 has run", look(t, tr), Sample{User: 0.02, Memory: 7, Read: 1, Processes: 2})

	// 101 has used 5 more ticks and written 1 byte more, and has ended; 100 has waited for it.
	m.set(fake{pid: 100, ticks: 12, waited: 25, pages: 4, read: 8, written: 10})
	m.remove(101)
	m.remove(102)
	check(t, "101 has ended", look(t, tr), Sample{User: 0.05, Memory: 4, Written: 1, Processes: 1})

	m.remove(100)
	if _, _, ok := tr.look(); ok {
		t.Error("a sample was taken after the end")
	}
}

// A process and its parent end between two looks: their grandparent has all they used.
func TestSeveralGenerationsEnd(t *testing.T) {
	m := newMachine(t)
	m.set(fake{pid: 100, ticks: 1}, 101)
	m.set(fake{pid: 101, parent: 100, ticks: 10}, 102)
	m.set(fake{pid: 102, parent: 101, ticks: 100})
	tr := m.tree()
	check(t, "first", look(t, tr), Sample{User: 1.11, Processes: 3})
	m.set(fake{pid: 100, ticks: 1, waited: 115})
	m.remove(101)
	m.remove(102)
	check(t, "both have ended", look(t, tr), Sample{User: 0.05, Processes: 1})
}

// The number of a process that has ended is given to one that is not of the run.
func TestNumberIsUsedAgain(t *testing.T) {
	m := newMachine(t)
	m.set(fake{pid: 100}, 101)
	m.set(fake{pid: 101, parent: 100, ticks: 10, pages: 2})
	tr := m.tree()
	look(t, tr)
	m.set(fake{pid: 100, waited: 10})
	m.set(fake{pid: 101, parent: 1, ticks: 1000, pages: 50, born: 5000})
	check(t, "another program's", look(t, tr), Sample{Processes: 1})
	m.set(fake{pid: 101, parent: 100, ticks: 7, pages: 1, born: 6000})
	m.set(fake{pid: 100, waited: 10}, 101)
	check(t, "the run's own again", look(t, tr), Sample{User: 0.07, Memory: 1, Processes: 2})
}

func TestOrphans(t *testing.T) {
	m := newMachine(t)
	m.set(fake{pid: 1, born: 1}, 50, 103, 104, 105, 106)
	m.set(fake{pid: 50, parent: 1, born: 20, pages: 1000, env: "QME_TASK=a\x00"}) // before the run
	m.set(fake{pid: 103, parent: 1, pages: 1, env: "A=b\x00QME_TASK=a\x00"})      // a daemon of the run
	m.set(fake{pid: 104, parent: 1, pages: 10, group: 100, closed: true})         // in its group
	m.set(fake{pid: 105, parent: 1, pages: 1000, env: "QME_TASK=b\x00"})          // of another run
	m.set(fake{pid: 106, parent: 1, pages: 100, session: 9})                      // in its session
	m.set(fake{pid: 100, group: 100, session: 9})
	tr := m.tree()
	check(t, "orphans", look(t, tr), Sample{Memory: 111, Processes: 4})
	if tr.seen.kind() != record.MemoryMixed || tr.seen.unreadable != 1 {
		t.Errorf("seen: %+v", tr.seen)
	}
	check(t, "they stay", look(t, tr), Sample{Memory: 111, Processes: 4})
}

// Processes of others, such as those of sudo, and hidden ones are counted as not readable.
func TestUnreadable(t *testing.T) {
	m := newMachine(t)
	m.set(fake{pid: 100, pages: 1}, 101, 102)
	m.set(fake{pid: 101, parent: 100, pages: 20, ticks: 5, closed: true})
	m.set(fake{pid: 102, hidden: true})
	tr := m.tree()
	check(t, "first", look(t, tr), Sample{User: 0.05, Memory: 21, Processes: 2})
	check(t, "second", look(t, tr), Sample{Memory: 21, Processes: 2})
	if tr.seen.unreadable != 2 || tr.seen.kind() != record.MemoryMixed {
		t.Errorf("seen: %+v", tr.seen)
	}
}

// Between two readings of the memory of all, which wait for each other's cost, the change of
// resident pages counts.
func TestMemoryBetweenReadings(t *testing.T) {
	m := newMachine(t)
	m.set(fake{pid: 100, pages: 100})
	tr := m.tree()
	look(t, tr)
	tr.memoryAfter = tr.memoryAfter.AddDate(1, 0, 0)
	m.set(fake{pid: 100, pages: 130}, 101)
	m.write(100, "smaps_rollup", "Pss: 0 kB\n") // is not read
	m.set(fake{pid: 101, parent: 100, pages: 70})
	m.write(101, "smaps_rollup", "Pss: 999 kB\nPrivate_Clean: 8 kB\n") // the rest is the parent's
	check(t, "a fork", look(t, tr), Sample{Memory: 130 + 8192/pageSize, Processes: 2})
}

func TestMemoryGroup(t *testing.T) {
	v1 := "9:name=systemd:/a\n4:cpu,memory:/x\n3:memory:/slurm/uid_1/job_2\n0::/u\n"
	if folder, anonymous, _ := memoryGroup(v1); folder != "/sys/fs/cgroup/memory/slurm/uid_1/job_2" || anonymous != "total_rss" {
		t.Error(folder, anonymous)
	}
	if folder, anonymous, _ := memoryGroup("0::/user.slice/../run-1.scope\n"); folder != "/sys/fs/cgroup/run-1.scope" || anonymous != "anon" {
		t.Error(folder, anonymous)
	}
	if folder, _, _ := memoryGroup("what:is this\n"); folder != "" {
		t.Error(folder)
	}
}

// A group counts only if all processes in it are of the run.
func TestGroupOfTheRunAlone(t *testing.T) {
	tr := newTree(100, "")
	for content, want := range map[string]bool{"100\n101\n": true, "100\n": true, "100\n5\n": false, "100\nx\n": false} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "below"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"cgroup.procs", "below/cgroup.procs"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.TrimPrefix(content, "-")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := tr.onlyOurs(dir, []int{100, 101}); got != want {
			t.Errorf("%q: %v", content, got)
		}
	}
}
