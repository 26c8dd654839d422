package tests

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"qme/record"
)

// TestFiftyAtOnce starts fifty runs at one time: there must be fifty records, in
// fifty commits.
func TestFiftyAtOnce(t *testing.T) {
	h := newHome(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			out, errs, code := h.run("-m", strconv.Itoa(i), "run", "echo", strconv.Itoa(i))
			if code != 0 || out != strconv.Itoa(i)+"\n" {
				t.Errorf("run %d: code %d, %q, %s", i, code, out, errs)
			}
		})
	}
	wg.Wait()
	found := map[string]bool{}
	for _, r := range h.records() {
		if found[r.Data.Message] || strings.Join(r.Data.Output, "") != r.Data.Message+"\n" {
			t.Errorf("record %s: message %q, output %q", r.UID, r.Data.Message, r.Data.Output)
		}
		found[r.Data.Message] = true
	}
	if len(found) != 50 {
		t.Errorf("%d records, want 50", len(found))
	}
	h.verify()
}

// kills is how often TestKill kills; QME_TEST_KILLS sets another number.
func kills(t *testing.T) int {
	if s := os.Getenv("QME_TEST_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 250
}

// TestKill kills qme, by SIGKILL, at random moments of runs, reruns and gc. What
// had returned must be there, whole; what had not may be there once, as it ended
// or as cancelled; and the next command must work.
func TestKill(t *testing.T) {
	h := newHome(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 2 { // what makes the home is the matter of TestKillFirst
		h.must("-q", "run", "printf 'begun\\nrun-0\\n'")
	}
	returned, killed := map[string]bool{}, map[string]bool{}
	n := kills(t)
	for i := range n {
		name := fmt.Sprintf("run-%d", i)
		args := []string{"-m", name, "run", "sh", "-c", "echo begun; sleep 0.00" + strconv.Itoa(rnd.IntN(10)) + "; echo " + name}
		switch rnd.IntN(8) {
		case 0:
			args = []string{"gc"}
		case 1:
			args = []string{"-m", name, "rerun", "@" + strconv.Itoa(1+rnd.IntN(2))}
		}
		if killAt(t, h, time.Duration(rnd.IntN(60_000))*time.Microsecond, args...) {
			killed[name] = true
		} else if args[0] != "gc" {
			returned[name] = true
		}
		if i%100 == 99 {
			checkKilled(t, h, returned, killed)
		}
	}
	checkKilled(t, h, returned, killed)
	t.Logf("%d killed, %d returned", len(killed), len(returned))
	if len(killed) < n/5 {
		t.Errorf("only %d of %d were killed: the test does not test", len(killed), n)
	}
}

// killAt runs qme and kills it after a while. It reports whether it was killed
// before it returned.
func killAt(t *testing.T, h *home, after time.Duration, args ...string) bool {
	cmd := h.command(args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		return true
	}
	if err != nil {
		t.Fatalf("qme %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return false
}

// checkKilled looks at all runs, also those that a rerun has followed.
func checkKilled(t *testing.T, h *home, returned, killed map[string]bool) {
	t.Helper()
	seen := map[string]bool{}
	for _, task := range h.records() {
		runs := []*record.Record{task}
		if task.Data.Run > 1 {
			runs = h.runsOf(task.UID)
		}
		for _, r := range runs {
			checkRun(t, r, seen, returned, killed)
		}
	}
	for name := range returned {
		if !seen[name] {
			t.Errorf("%s had returned, and is lost", name)
		}
	}
	h.verify()
}

// checkRun looks at one run, which has its name from its message.
func checkRun(t *testing.T, r *record.Record, seen, returned, killed map[string]bool) {
	t.Helper()
	name := r.Data.Message
	if name == "" {
		return
	}
	if seen[name] {
		t.Errorf("%s is there twice", name)
	}
	seen[name] = true
	out := strings.Join(r.Data.Output, "")
	switch {
	case returned[name] && (r.Data.Status != record.Complete || !strings.HasPrefix(out, "begun\nrun-")):
		t.Errorf("%s had returned, but is %q with %q", name, r.Data.Status, out)
	case !returned[name] && !killed[name]:
		t.Errorf("%s was never run", name)
	case r.Data.Status != record.Complete && r.Data.Status != record.Cancelled:
		t.Errorf("%s is %q", name, r.Data.Status)
	}
}

// TestKillFirst kills the very first command, while the home is made.
func TestKillFirst(t *testing.T) {
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range 40 {
		h := newHome(t)
		killAt(t, h, time.Duration(rnd.IntN(15_000))*time.Microsecond, "-q", "run", "true")
		h.must("-q", "run", "echo", "second")
		records := h.records()
		if len(records) < 1 || len(records) > 2 || records[0].Command != "echo second" {
			t.Fatalf("records: %v", records)
		}
		h.verify()
	}
}

// TestCutOff kills qme while the command has printed something: the output that
// had arrived is in the record.
func TestCutOff(t *testing.T) {
	h := newHome(t)
	cmd := h.command("run", "sh", "-c", "echo arrived; sleep 100")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	for h.must("get", "@1", "--stdout") != "arrived\n" {
		time.Sleep(5 * time.Millisecond)
	}
	pid := h.records()[0].Data.PID
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	r := h.records()[0]
	if r.Data.Status != record.Cancelled || strings.Join(r.Data.Output, "") != "arrived\n" || r.Data.ReturnCode != nil {
		t.Errorf("the record says %q, %q, %v", r.Data.Status, r.Data.Output, r.Data.ReturnCode)
	}
	h.verify()
}
