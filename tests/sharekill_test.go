package tests

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/tests/require"
)

// shareKills is how often each of the four commands of TestShareKill is killed;
// QME_TEST_KILLS sets another number.
const shareKills = 26

// TestShareKill kills exchanges, by SIGKILL, at random moments, and often the git at
// the other end with them. The next exchange must work and end where an
// undisturbed one does: what a merge makes follows from what is merged, so the
// commits can be compared.
func TestShareKill(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	seed := shareSeed(t)
	n := shareKills
	if os.Getenv("QME_TEST_KILLS") != "" {
		n = kills(t)
	}
	masters := newExchange(t)
	for i, command := range []string{"sync", "pull", "push", "clone"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			k := &killer{T: t, rnd: rand.New(rand.NewPCG(seed, uint64(i))), masters: masters, dir: t.TempDir(), command: []string{command}}
			k.home, k.hub = &home{t: t, dir: filepath.Join(k.dir, "home")}, &hub{t: t, dir: filepath.Join(k.dir, "hub.git")}
			if command == "clone" {
				k.command = append(k.command, k.hub.dir)
			}
			k.measure()
			for k.killed < n && k.returned < 4*n {
				k.round()
			}
			t.Logf("%d killed, %d returned; left behind: %v", k.killed, k.returned, k.found)
			if k.killed < n {
				t.Errorf("only %d of %d were killed: the test does not test", k.killed, k.killed+k.returned)
			}
		})
	}
}

// newExchange makes a home and a hub that both have what the other lacks, below the
// folder that it returns.
func newExchange(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	hub := &hub{t: t, dir: filepath.Join(dir, "hub.git")}
	hub.create()
	ours, theirs := &home{t: t, dir: filepath.Join(dir, "home")}, newHome(t)
	for i := range 3 {
		ours.must("-q", "run", "echo", fmt.Sprint("both ", i))
	}
	ours.must("remote", hub.dir)
	ours.must("push")
	theirs.must("clone", hub.dir)
	for i, h := range []*home{ours, theirs} {
		for j := range 3 {
			h.must("-q", "run", "echo", fmt.Sprint("only ", i, j))
		}
		h.must("-q", "rerun", "--yes", "@4")
		h.must("-q", "run", "seq 30000") // a stream of its own
	}
	theirs.must("clear", "--force", "@6")
	theirs.must("push")
	return dir
}

// A killer kills one command.
type killer struct {
	*testing.T
	rnd      *rand.Rand
	masters  string // what each round begins with
	dir      string
	home     *home
	hub      *hub
	command  []string
	takes    time.Duration // undisturbed
	head     string        // where an undisturbed exchange ends
	killed   int
	returned int
	found    map[string]int // what was left behind, by kind
}

// reset makes everything as it was before the exchange.
func (k *killer) reset() {
	k.Helper()
	err := errors.Join(os.RemoveAll(k.home.dir), os.RemoveAll(k.hub.dir), os.CopyFS(k.hub.dir, os.DirFS(filepath.Join(k.masters, "hub.git"))))
	if err == nil && k.command[0] != "clone" {
		err = errors.Join(os.CopyFS(k.home.dir, os.DirFS(filepath.Join(k.masters, "home"))), os.Chmod(k.home.dir, 0o700))
	}
	if err != nil {
		k.Fatal(err)
	}
	if k.command[0] != "clone" {
		k.home.must("remote", k.hub.dir)
	}
}

// measure lets the exchange go through.
func (k *killer) measure() {
	k.Helper()
	for range 2 {
		k.reset()
		begun := time.Now()
		k.home.must(k.command...)
		k.takes = max(k.takes, time.Since(begun))
		k.home.must("sync")
		k.head = k.home.head()
	}
	if k.hub.git("rev-parse", "main") != k.head {
		k.Fatal("the hub is not where the home is")
	}
}

// round kills the command once or more, one after the other, and then looks whether
// the next exchange puts everything right.
func (k *killer) round() {
	k.Helper()
	k.reset()
	var all []*started
	for range 1 + k.rnd.IntN(3) {
		s := k.home.start(k.command...)
		time.Sleep(time.Duration(k.rnd.Int64N(int64(k.takes + k.takes/10))))
		s.kill(k.rnd.IntN(2) == 0)
		code := s.wait()
		if all = append(all, s); code >= 0 {
			k.returned++
			k.judge(s, code)
			break
		}
		k.killed++
	}
	if k.rnd.IntN(2) == 0 { // else what is left of them is still at work
		waitAll(all)
		all = nil
	}
	k.recover()
	waitAll(all)
	k.compare()
	k.cleanUp()
}

func waitAll(all []*started) {
	for _, s := range all {
		s.waitAll()
	}
}

// judge looks at a command that was not killed in time. One that follows others
// meets what they left.
func (k *killer) judge(s *started, code int) {
	k.Helper()
	switch {
	case code == 0:
	case k.command[0] == "clone" && code == 5: // one that was killed had got through
	case k.freeLock(s.errs.String()):
	default:
		k.Fatalf("qme %s ended with %d\n%s", strings.Join(k.command, " "), code, s.errs.String())
	}
}

// recover runs the next exchange, which has to work at once.
func (k *killer) recover() {
	k.Helper()
	args := []string{"sync"}
	if k.command[0] == "clone" && k.home.remotes() == "" {
		args = k.command
	}
	for range 3 { // one for each lock
		_, errs, code := k.home.run(args...)
		if code == 0 {
			return
		}
		if !k.freeLock(errs) {
			k.Fatalf("the next qme %s ended with %d\n%s", strings.Join(args, " "), code, errs)
		}
	}
	k.Fatal("there are locks after locks")
}

// remotes lists the remotes of a home.
func (h *home) remotes() string {
	h.t.Helper()
	return h.must("remote")
}

// freeLock does what the user has to where a lock is left of a git that was killed
// while it had it: remove the file that the message names.
func (k *killer) freeLock(message string) bool {
	k.Helper()
	for _, path := range []string{
		filepath.Join(k.hub.dir, "refs/heads/main.lock"),
		filepath.Join(k.hub.dir, "HEAD.lock"),
		filepath.Join(k.home.dir, "tasks.git/config.lock"),
	} {
		// git writes hub.git/./HEAD.lock
		if strings.Contains(strings.ReplaceAll(message, "/./", "/"), path) {
			k.note(filepath.Base(path))
			if err := os.Remove(path); err != nil {
				k.Fatalf("%v\n%s", err, message)
			}
			return true
		}
	}
	return false
}

func (k *killer) note(what string) {
	if k.found == nil {
		k.found = map[string]int{}
	}
	k.found[what]++
}

func (k *killer) compare() {
	k.Helper()
	k.verify()
	if got := k.home.head(); got != k.head {
		k.Errorf("the home is at %s, want %s", got, k.head)
	}
	if got := k.hub.git("rev-parse", "main"); got != k.head {
		k.Errorf("the hub is at %s, want %s", got, k.head)
	}
	for _, lock := range k.leftovers(func(name string) bool { return strings.HasSuffix(name, ".lock") && !strings.HasPrefix(name, "qme") }) {
		// That of git's settings is for the user to remove, see freeLock; nobody needed it
		// this time.
		if filepath.Base(lock) != "config.lock" {
			k.Errorf("%s is left", lock)
		}
		k.note(filepath.Base(lock))
	}
}

// leftovers returns the files in the home that choose picks by their names.
func (k *killer) leftovers(choose func(name string) bool) []string {
	k.Helper()
	var found []string
	err := filepath.WalkDir(k.home.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && choose(d.Name()) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		k.Fatal(err)
	}
	return found
}

// temporary returns what a process that was killed can leave for gc.
func (k *killer) temporary() []string {
	k.Helper()
	return k.leftovers(func(name string) bool {
		pack, isPack := strings.CutSuffix(name, ".pack")
		if isPack {
			_, err := os.Stat(filepath.Join(k.home.dir, "tasks.git/objects/pack", pack+".idx"))
			return err != nil
		}
		return strings.HasPrefix(name, "qme_") || strings.HasPrefix(name, "tmp_") || strings.HasSuffix(name, ".keep") || strings.HasPrefix(name, ".new-")
	})
}

// cleanUp has a day pass for what is left behind: then gc removes it.
func (k *killer) cleanUp() {
	k.Helper()
	left := k.temporary()
	if len(left) == 0 {
		return
	}
	old := time.Now().Add(-25 * time.Hour)
	for _, path := range left {
		pack := path
		if kept, ok := strings.CutSuffix(path, ".keep"); ok {
			k.note("keep")
			pack = kept + ".pack" // its age counts
		} else {
			k.note(strings.TrimRight(filepath.Base(path), "0123456789"))
		}
		for _, p := range []string{path, pack} {
			if err := os.Chtimes(p, old, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
				k.Fatal(err)
			}
		}
	}
	k.home.must("gc")
	if left := k.temporary(); len(left) > 0 {
		k.Errorf("gc leaves %v", left)
	}
	k.verify()
}

// verify checks the home and the hub. The home need not have a spool.
func (k *killer) verify() {
	k.Helper()
	k.home.must("check")
	if out := k.home.fsck(); out != "" {
		k.Fatalf("git fsck of the home: %s", out)
	}
	k.hub.verify()
}

// kill kills qme and, if all is set, the processes that it has started. It comes
// before wait, so that the process id is still its own.
func (s *started) kill(all bool) {
	s.t.Helper()
	pid := s.cmd.Process.Pid
	if all {
		for _, p := range freeze(pid) {
			_ = syscall.Kill(p, syscall.SIGKILL)
		}
	}
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

// freeze stops a process and its descendants, from the top down, so that none can
// end unnoticed and leave its id to another, and returns the descendants.
func freeze(pid int) []int {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	var all []int
	for _, child := range children(pid) {
		all = append(append(all, child), freeze(child)...)
	}
	return all
}

// children returns the processes whose parent is pid, where /proc lists them; none
// elsewhere.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	var list []int
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid; the name may hold anything
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				list = append(list, child)
			}
		}
	}
	slices.Sort(list)
	return list
}
