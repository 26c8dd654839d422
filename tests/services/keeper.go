package services

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A keeper is a process that owns daemons which are to outlive a test, and nothing
// else: it ends with the process that started it, however that ends, and then kills
// all its descendants and removes their folders. It is the test's own binary, started
// once more with keeperVariable set.
type keeper struct {
	requests *json.Encoder
	answers  *json.Decoder
	pipe     io.Closer // closing it ends the keeper
}

const keeperVariable = "QME_TEST_KEEPER"

// A request asks the keeper for one thing.
type request struct {
	Start []string // program and arguments
	Env   []string
	Dir   string // of the program
	Log   string // file that gets what the program prints

	Stop int // process to end by SIGTERM

	Adopt  int    // process to kill at the end, though the keeper did not start it
	Remove string // folder to remove at the end

	Running int // process to ask about
}

type answer struct {
	Pid   int
	Gone  bool // the process asked about has ended
	Error string
}

// stopLimit is how long a daemon may take to end.
const stopLimit = 30 * time.Second

func init() {
	if os.Getenv(keeperVariable) == "" {
		return
	}
	if err := keep(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// newKeeper starts a keeper.
func newKeeper(t testing.TB) *keeper {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), keeperVariable+"=1")
	cmd.Dir = "/"
	// Neither a Ctrl-C meant for the tests nor their terminal's end is for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &keeper{requests: json.NewEncoder(in), answers: json.NewDecoder(out), pipe: in}
}

// ask has the keeper do something.
func (k *keeper) ask(t testing.TB, r request) answer {
	t.Helper()
	var a answer
	if err := k.requests.Encode(r); err != nil {
		t.Fatalf("the keeper of the daemons: %v", err)
	}
	if err := k.answers.Decode(&a); err != nil {
		t.Fatalf("the keeper of the daemons: %v", err)
	}
	if a.Error != "" {
		t.Fatal(a.Error)
	}
	return a
}

// keep serves requests until their end.
func keep(in io.Reader, out io.Writer) error {
	if err := becomeSubreaper(); err != nil {
		return fmt.Errorf("become the parent of orphaned descendants: %w", err)
	}
	w := &ward{ended: map[int]chan struct{}{}}
	go w.reap()
	requests, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var r request
		if err := requests.Decode(&r); err != nil {
			return w.end() // the other side has closed the pipe, or is gone
		}
		if err := answers.Encode(w.serve(r)); err != nil {
			return errors.Join(err, w.end())
		}
	}
}

// A ward is what a keeper looks after.
type ward struct {
	mu      sync.Mutex            // held from a start until ended knows of it
	ended   map[int]chan struct{} // of its own children: closed when they have ended
	adopted []int
	folders []string
}

func (w *ward) serve(r request) (a answer) {
	var err error
	switch {
	case len(r.Start) > 0:
		a.Pid, err = w.start(r)
	case r.Stop != 0:
		err = w.stop(r.Stop)
	case r.Running != 0:
		a.Gone = w.gone(r.Running)
	case r.Adopt != 0:
		w.adopted = append(w.adopted, r.Adopt)
	}
	if r.Remove != "" {
		w.folders = append(w.folders, r.Remove)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

func (w *ward) start(r request) (int, error) {
	log, err := os.OpenFile(r.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command(r.Start[0], r.Start[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = r.Env, r.Dir, log, log
	// A group of its own: slurmd ends by a signal to its group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	w.ended[cmd.Process.Pid] = make(chan struct{})
	return cmd.Process.Pid, nil
}

func (w *ward) stop(pid int) error {
	w.mu.Lock()
	ended := w.ended[pid]
	w.mu.Unlock()
	if ended == nil {
		return fmt.Errorf("process %d was not started here", pid)
	}
	if w.gone(pid) {
		return fmt.Errorf("process %d has ended by itself", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	select {
	case <-ended:
		return nil
	case <-time.After(stopLimit):
		return fmt.Errorf("process %d does not end", pid)
	}
}

func (w *ward) gone(pid int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.ended[pid]:
		return true
	default:
		return false
	}
}

// reap waits for the children that there are, the orphaned ones among them.
func (w *ward) reap() {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	for range died {
		w.reapAll()
	}
}

func (w *ward) reapAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return // there is none, or none that has ended
		}
		if ended := w.ended[pid]; ended != nil {
			close(ended)
		}
	}
}

// end kills all descendants, and what they start meanwhile, and removes the folders.
func (w *ward) end() error {
	for _, pid := range w.adopted {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	for {
		pids, err := descendants(os.Getpid())
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
		w.reapAll()
	}
	var failed error
	for _, dir := range w.folders {
		failed = errors.Join(failed, removeAll(dir))
	}
	return failed
}

// removeAll removes a folder that a process which is just ending may still write to.
func removeAll(dir string) error {
	var err error
	for range 100 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// descendants returns the processes below one, as /proc names them.
func descendants(root int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name of the program, in parentheses, may hold anything.
		line := string(b)
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if perr != nil || len(fields) < 2 {
			return nil, fmt.Errorf("%s: unexpected form: %q", path, line)
		}
		parent, perr := strconv.Atoi(fields[1])
		if perr != nil {
			return nil, fmt.Errorf("%s: unexpected form: %q", path, line)
		}
		children[parent] = append(children[parent], pid)
	}
	var all []int
	for next := []int{root}; len(next) > 0; next = next[1:] {
		all = append(all, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return all, nil
}
