package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"qme/record"
	"qme/tests/require"
)

// A hub is a bare repository, made by git, through which homes share their tasks.
type hub struct {
	t   testing.TB
	dir string
}

func newHub(t testing.TB) *hub {
	t.Helper()
	require.Component(t, "git")
	h := &hub{t: t, dir: filepath.Join(t.TempDir(), "hub.git")}
	h.create()
	return h
}

func (h *hub) create() {
	h.t.Helper()
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch=main", h.dir).CombinedOutput(); err != nil {
		h.t.Fatalf("git init: %v\n%s", err, out)
	}
}

// git runs git in the repository and returns what it prints, errors included.
func (h *hub) git(args ...string) string {
	h.t.Helper()
	return gitIn(h.t, h.dir, args...)
}

func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// verify holds the repository against git's checks; an exchange makes no other
// reference than the branch.
func (h *hub) verify() {
	h.t.Helper()
	if out := h.git("fsck", "--strict", "--no-dangling"); out != "" {
		h.t.Fatalf("git fsck of the hub: %s", out)
	}
	if refs := h.git("for-each-ref", "--format=%(refname)"); refs != "" && refs != "refs/heads/main" {
		h.t.Fatalf("the hub has the references %s", refs)
	}
}

// hook makes a script a hook of the repository.
func (h *hub) hook(name, script string) {
	h.t.Helper()
	writeScript(h.t, filepath.Join(h.dir, "hooks", name), script)
}

func writeScript(t testing.TB, path, script string) {
	t.Helper()
	// It gets its name when nothing has it open for writing any more, lest exec fails
	// with "text file busy" in a process that another test starts.
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// head returns the newest commit of the history in a home.
func (h *home) head() string {
	h.t.Helper()
	return gitIn(h.t, filepath.Join(h.dir, "tasks.git"), "rev-parse", "main")
}

// A started is a qme at work, and all that it has started.
type started struct {
	t         testing.TB
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	left      *os.File // ends with the last process that has the other end
	hangs     *time.Timer
}

// hangs is when a qme is taken for one that does not end; nothing else depends on it.
const hangs = 2 * time.Minute

// start starts qme at the head of a process group.
func (h *home) start(args ...string) *started {
	h.t.Helper()
	return h.startCommand(h.command(args...))
}

func (h *home) startCommand(cmd *exec.Cmd) *started {
	h.t.Helper()
	s := &started{t: h.t, cmd: cmd}
	left, inherited, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	s.left = left
	if cmd.Stderr == nil {
		cmd.Stderr = &s.errs
	}
	cmd.Stdout, cmd.ExtraFiles = &s.out, []*os.File{inherited}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := errors.Join(cmd.Start(), inherited.Close()); err != nil {
		h.t.Fatal(err)
	}
	s.hangs = time.AfterFunc(hangs, func() { _ = cmd.Process.Kill() })
	return s
}

// wait waits for qme itself and returns its exit code, -1 when a signal ended it.
func (s *started) wait() int {
	s.t.Helper()
	defer s.hangs.Stop()
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

// waitAll waits for the end of all processes that qme has left behind.
func (s *started) waitAll() {
	s.t.Helper()
	err := s.left.SetReadDeadline(time.Now().Add(hangs))
	if err == nil {
		_, err = io.Copy(io.Discard, s.left)
	}
	if err = errors.Join(err, s.left.Close()); err != nil {
		s.t.Fatalf("what qme has started has not ended: %v", err)
	}
}

// shareSeed returns what a random test begins with; QME_TEST_SEED repeats one.
func shareSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("QME_TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("QME_TEST_SEED=%d", seed)
	return seed
}

// togetherSteps is how many random steps each home of TestShareTogether takes.
const togetherSteps = 40

// TestShareTogether has three homes run, rerun and clear tasks and exchange them
// through one repository, all at the same time. In the end all have the same, and
// no run is lost.
func TestShareTogether(t *testing.T) {
	t.Parallel()
	seed := shareSeed(t)
	hub := newHub(t)
	var all []*member
	for i := range 3 {
		m := &member{home: newHome(t), name: string(rune('a' + i)), rnd: rand.New(rand.NewPCG(seed, uint64(i)))}
		m.must("remote", hub.dir)
		all = append(all, m)
	}
	var wg sync.WaitGroup
	for _, m := range all {
		wg.Go(func() {
			for i := range togetherSteps {
				m.step(i)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	settle(t, all)
	compare(t, hub, all)
}

// A member is a home that shares with others.
type member struct {
	*home
	name    string
	rnd     *rand.Rand
	runs    int             // how many were recorded
	tasks   []string        // the names of the tasks that it made
	cleared map[string]bool // the commands of the tasks that it cleared
}

func (m *member) step(i int) {
	m.t.Helper()
	switch n := m.rnd.IntN(100); {
	case n < 35 || i == 0:
		name := fmt.Sprintf("%s%d", m.name, i)
		if m.try(0, "-m", name, "run", "echo", name) {
			m.runs++
			m.tasks = append(m.tasks, name)
		}
	case n < 55:
		if m.try(3, "-m", fmt.Sprintf("again %s%d", m.name, i), "rerun", "--yes", m.any()) {
			m.runs++
		}
	case n < 62:
		m.clear()
	case n < 72:
		m.try(0, "pull")
	case n < 86:
		m.try(0, "push")
	default:
		m.try(0, "sync")
	}
}

// any names one of the newest tasks, which may not be there.
func (m *member) any() string { return "@" + strconv.Itoa(1+m.rnd.IntN(6)) }

// clear clears a task and notes its command.
func (m *member) clear() {
	which := m.any()
	out, _, code := m.run("get", which)
	if code != 0 {
		return
	}
	r, err := record.Decode([]byte(out))
	if err != nil {
		m.t.Error(err)
		return
	}
	if m.cleared == nil {
		m.cleared = map[string]bool{}
	}
	m.cleared[r.Command] = true
	m.try(0, "clear", "--force", which)
}

// try runs qme, which may also end with another code than 0 that does not count as
// a failure. It reports whether it ended with 0.
func (m *member) try(other int, args ...string) bool {
	m.t.Helper()
	_, errs, code := m.run(append([]string{"-q"}, args...)...)
	if code != 0 && code != other || code == 0 && errs != "" {
		m.t.Errorf("%s: qme %s ended with %d\n%s", m.name, strings.Join(args, " "), code, errs)
	}
	return code == 0
}

// settleRounds bounds how often all have to exchange until all have the same: the
// last one that pushes has it all, and the others get it in the next round.
const settleRounds = 3

// settle has everybody sync until nobody has anything to do.
func settle(t *testing.T, all []*member) {
	t.Helper()
	for range settleRounds {
		done := 0
		for _, m := range all {
			if m.must("sync") == "up to date\n" {
				done++
			}
		}
		if done == len(all) {
			return
		}
	}
	t.Errorf("after %d rounds there is still something to exchange", settleRounds)
}

// compare holds the homes against each other and against what has been run.
func compare(t *testing.T, hub *hub, all []*member) {
	t.Helper()
	hub.verify()
	head, tree := hub.git("rev-parse", "main"), hub.git("rev-parse", "main^{tree}")
	list := all[0].must("ls", "--json")
	runs, tasks, cleared := 0, []string{}, map[string]bool{}
	for _, m := range all {
		m.verify()
		if got := m.head(); got != head {
			t.Errorf("%s is at %s, the hub at %s", m.name, got, head)
		}
		if got := gitIn(t, filepath.Join(m.dir, "tasks.git"), "rev-parse", "main^{tree}"); got != tree {
			t.Errorf("%s has the tree %s, the hub %s", m.name, got, tree)
		}
		if got := m.must("ls", "--json"); got != list {
			t.Errorf("%s lists\n%s\nand %s lists\n%s", m.name, got, all[0].name, list)
		}
		runs += m.runs
		tasks = append(tasks, m.tasks...)
		maps.Copy(cleared, m.cleared)
	}
	compareCommits(t, hub, runs, tasks)
	compareLogs(t, hub, all[0].home, tasks, cleared)
}

// compareCommits counts the commits of runs.
func compareCommits(t *testing.T, hub *hub, runs int, tasks []string) {
	t.Helper()
	merges, committed, first := 0, 0, map[string]bool{}
	for subject := range strings.Lines(hub.git("log", "--format=%s", "main")) {
		what, command, _ := strings.Cut(strings.TrimSpace(subject), ": ")
		switch what {
		case "run":
			first[strings.TrimPrefix(command, "echo ")] = true
			committed++
		case "rerun":
			committed++
		case "merge":
			merges++
		}
	}
	for _, name := range tasks {
		if !first[name] {
			t.Errorf("the run %s is lost", name)
		}
	}
	if committed != runs {
		t.Errorf("%d runs were recorded, and %d are in the history", runs, committed)
	}
	if merges == 0 {
		t.Error("no histories were merged: the test does not test")
	}
	t.Logf("%d runs, %d merges", runs, merges)
}

// compareLogs looks for the runs of the tasks that nobody has cleared.
func compareLogs(t *testing.T, hub *hub, h *home, tasks []string, cleared map[string]bool) {
	t.Helper()
	committed := map[string]int{} // runs by their commands
	for subject := range strings.Lines(hub.git("log", "--format=%s", "main")) {
		if what, command, _ := strings.Cut(strings.TrimSpace(subject), ": "); what == "run" || what == "rerun" {
			committed[command]++
		}
	}
	ids := map[string]record.ID{}
	for _, r := range h.records() {
		ids[r.Command] = r.UID
	}
	for _, name := range tasks {
		command := "echo " + name
		if cleared[command] {
			continue
		}
		id, ok := ids[command]
		if !ok {
			t.Errorf("nobody has cleared %q, and it is gone", command)
			continue
		}
		lines := slices.Collect(strings.Lines(h.must("log", "--json", string(id))))
		if len(lines) != committed[command] {
			t.Errorf("qme log of %q lists %d runs of %d", command, len(lines), committed[command])
		}
	}
}

// loopRounds bounds how often a machine has to sync until there is nothing to do
// while another one syncs too.
const loopRounds = 12

// TestShareLoop has two machines sync in a loop at the same time: they must not go
// on to merge each other's merges.
func TestShareLoop(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	for name, connect := range map[string]func(t *testing.T, a, b *home) (command string){
		"hub": func(t *testing.T, a, b *home) string {
			hub := newHub(t)
			a.must("remote", hub.dir)
			b.must("remote", hub.dir)
			return "sync"
		},
		"each other": func(_ *testing.T, a, b *home) string {
			a.must("remote", filepath.Join(b.dir, "tasks.git"))
			b.must("remote", filepath.Join(a.dir, "tasks.git"))
			return "pull"
		},
		"each other, pushing": func(_ *testing.T, a, b *home) string {
			a.must("remote", filepath.Join(b.dir, "tasks.git"))
			b.must("remote", filepath.Join(a.dir, "tasks.git"))
			return "sync"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := []*home{newHome(t), newHome(t)}
			command := connect(t, both[0], both[1])
			for i := range 3 {
				loop(t, both, command, i)
			}
			for _, h := range both {
				h.verify()
			}
			if a, b := both[0].head(), both[1].head(); a != b {
				t.Errorf("one is at %s, the other at %s", a, b)
			}
			if n := len(both[0].records()); n != 6 {
				t.Errorf("there are %d tasks, want 6", n)
			}
		})
	}
}

// branch is head for any goroutine: what the file of the branch says.
func (h *home) branch() string {
	b, err := os.ReadFile(filepath.Join(h.dir, "tasks.git/refs/heads/main"))
	if err != nil {
		h.t.Error(err)
	}
	return strings.TrimSpace(string(b))
}

// loop has each home run something, and then exchange until its branch stays where
// it is.
func loop(t *testing.T, homes []*home, command string, i int) {
	t.Helper()
	var ran, wg sync.WaitGroup
	ran.Add(len(homes))
	for n, h := range homes {
		wg.Go(func() {
			_, errs, code := h.run("-q", "run", "echo", fmt.Sprint(i, n))
			ran.Done()
			ran.Wait()
			before, after := "", h.branch()
			for rounds := 0; code == 0 && before != after; rounds++ {
				if rounds == loopRounds {
					t.Errorf("home %d has not come to an end in %d rounds", n, rounds)
					return
				}
				_, errs, code = h.run(command)
				before, after = after, h.branch()
			}
			if code != 0 {
				t.Errorf("qme %s of home %d ended with %d\n%s", command, n, code, errs)
			}
		})
	}
	wg.Wait()
	// One may have been done before the other had anything.
	for range 2 {
		for _, h := range homes {
			h.must(command)
		}
	}
}

// TestShareSameMoment has two machines pull from each other in the same moment: they
// make the same commit of it, and so have nothing to pull again.
func TestShareSameMoment(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	both := []*home{newHome(t), newHome(t)}
	var fifos []string
	for i, h := range both {
		h.must("-q", "run", "echo", fmt.Sprint(i))
		h.must("remote", filepath.Join(both[1-i].dir, "tasks.git"))
		fifo := newFIFO(t)
		fifos = append(fifos, fifo)
		h.packHook("cat '" + fifo + `'; exec "$@"`)
	}
	pulls := []*started{both[0].start("pull"), both[1].start("pull")}
	var held []*os.File
	for _, fifo := range fifos { // both know by then what they pull
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, f)
	}
	for i, s := range pulls {
		if err := held[i].Close(); err != nil {
			t.Fatal(err)
		}
		if code := s.wait(); code != 0 || s.out.String() != "pulled 1 task\n" {
			t.Errorf("home %d: code %d, %s%s", i, code, s.out.String(), s.errs.String())
		}
		s.waitAll()
	}
	for _, h := range both {
		if err := os.Remove(h.gitconfig()); err != nil {
			t.Fatal(err)
		}
	}
	head := both[0].head()
	for _, h := range both {
		if out := h.must("pull"); out != "up to date\n" || h.head() != head {
			t.Errorf("pull says %q, from %s to %s", out, head, h.head())
		}
		h.verify()
	}
}

// TestShareGC pulls in a home whose packs are as many as are left alone: the next
// ones have them joined, though nothing is run there any more.
func TestShareGC(t *testing.T) {
	t.Parallel()
	hub, reader, writer := newHub(t), newHome(t), newHome(t)
	for _, h := range []*home{reader, writer} {
		h.must("remote", hub.dir)
		h.must("-q", "run", "true")
	}
	packs := func() int {
		list, err := filepath.Glob(filepath.Join(reader.dir, "tasks.git/objects/pack/*.pack"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for packs() < 32 {
		reader.must("-q", "run", "true")
	}
	writer.must("push")
	s := reader.start("pull")
	if code := s.wait(); code != 0 {
		t.Errorf("qme pull ended with %d\n%s", code, s.errs.String())
	}
	s.waitAll()
	if n := packs(); n > 4 {
		t.Errorf("there are %d packs", n)
	}
	reader.verify()
}
