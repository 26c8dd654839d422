package usage

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A gpuWatch asks nvidia-smi about the GPUs of a run, from the time on at which a process of the
// run has the device of one open. It is for one goroutine, except for end.
type gpuWatch struct {
	device string        // what the paths of devices begin with, before their numbers
	driver string        // the folder of the driver's descriptions
	next   time.Duration // when processes are looked at next, since the run began
	minors map[int]bool  // the numbers of the GPUs, once they are known; not changed then

	mu      sync.Mutex  // guards the rest
	program *os.Process // nvidia-smi, until it is waited for
	ended   bool
	busy    map[string]*gpuState // by the bus id
}

// A gpuState is what nvidia-smi has said of a GPU since the last sample.
type gpuState struct {
	ours     bool
	sum      float64 // of the values of how busy it was
	values   int
	memory   int64 // the last value, in bytes
	reported bool
}

// gpuFirst is when the processes of a run are first looked at for GPUs.
const gpuFirst = 10 * time.Second

// gpuPeriod is how often nvidia-smi reports.
const gpuPeriod = 2 * time.Second

func newGPUWatch() *gpuWatch {
	return &gpuWatch{device: "/dev/nvidia", driver: "/proc/driver/nvidia/gpus", next: gpuFirst}
}

// look completes a sample at a time since the run began, and reports whether it has values of
// GPUs.
func (g *gpuWatch) look(t *tree, at time.Duration, x *Sample) bool {
	if g.minors != nil {
		return g.take(x)
	}
	if at < g.next {
		return false
	}
	g.next = 2 * at
	if _, err := os.Stat(g.device + "ctl"); err != nil {
		return false
	}
	minors := map[int]bool{}
	for pid := range t.procs {
		g.devicesOf(filepath.Join(t.files.Folder(pid), "fd"), minors)
	}
	if len(minors) > 0 {
		g.start(minors)
	}
	return false
}

// mostOpen bounds how many open files of a process are looked at.
const mostOpen = 1024

// devicesOf adds the numbers of the GPUs that a process has open, by the folder of its descriptors.
func (g *gpuWatch) devicesOf(folder string, minors map[int]bool) {
	dir, err := os.Open(folder)
	if err != nil {
		return // it has ended, or belongs to another user
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(mostOpen) // as many as there are
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(folder, name))
		if err != nil {
			continue
		}
		if number, ok := strings.CutPrefix(target, g.device); ok {
			if n, err := strconv.Atoi(number); err == nil && n >= 0 {
				minors[n] = true
			}
		}
	}
}

// start starts nvidia-smi. Without it nothing is known. No lock is held meanwhile: a folder in PATH
// may hang.
func (g *gpuWatch) start(minors map[int]bool) {
	g.minors = minors
	cmd := exec.Command("nvidia-smi", "--query-gpu=pci.bus_id,utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-lms", strconv.FormatInt(gpuPeriod.Milliseconds(), 10))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // no signal of the terminal is for it
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	g.mu.Lock()
	g.program = cmd.Process
	if g.ended {
		g.kill()
	}
	g.mu.Unlock()
	go g.read(cmd, out)
}

// kill ends nvidia-smi and what it has started. The caller holds mu.
func (g *gpuWatch) kill() {
	if g.program != nil {
		_ = syscall.Kill(-g.program.Pid, syscall.SIGKILL) // it may have ended
	}
}

// mostGPUs bounds the GPUs of a machine.
const mostGPUs = 1024

// read reads the reports until the program ends.
func (g *gpuWatch) read(cmd *exec.Cmd, out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := strings.Split(lines.Text(), ",")
		if len(f) != 3 {
			continue
		}
		id := strings.ToLower(strings.TrimSpace(f[0]))
		g.mu.Lock()
		s := g.busy[id]
		if s == nil && len(g.busy) < mostGPUs {
			if g.busy == nil {
				g.busy = map[string]*gpuState{}
			}
			s = &gpuState{ours: g.isOurs(id)}
			g.busy[id] = s
		}
		if s != nil && s.ours {
			s.report(strings.TrimSpace(f[1]), strings.TrimSpace(f[2]))
		}
		g.mu.Unlock()
	}
	g.mu.Lock()
	g.kill() // it may have closed its output alone
	g.program = nil
	g.mu.Unlock()
	_ = cmd.Wait() // ended by a signal
}

// report notes a percentage and MiB; either may be "[N/A]".
func (s *gpuState) report(percent, mib string) {
	if p, err := strconv.ParseFloat(percent, 64); err == nil && p >= 0 && p <= 100 {
		s.sum, s.values, s.reported = s.sum+p/100, s.values+1, true
	}
	if n, err := strconv.ParseInt(mib, 10, 64); err == nil && n >= 0 && n < 1<<40 {
		s.memory, s.reported = n<<20, true
	}
}

// isOurs reports whether the run has a GPU open. Where the driver does not say which device has the
// bus id, it counts.
func (g *gpuWatch) isOurs(id string) bool {
	folders, err := filepath.Glob(filepath.Join(g.driver, "*"))
	if err != nil {
		return true
	}
	for _, folder := range folders {
		if !strings.HasSuffix(id, strings.ToLower(filepath.Base(folder))) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, "information"))
		if err != nil {
			return true
		}
		_, rest, _ := strings.Cut(string(text), "Device Minor:")
		line, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.Atoi(strings.TrimSpace(line))
		return err != nil || g.minors[n]
	}
	return true
}

// take moves what was reported since the last sample to x.
func (g *gpuWatch) take(x *Sample) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	any := false
	for _, s := range g.busy {
		if !s.reported {
			continue
		}
		any = true
		x.GPUs++
		x.GPUMemory += s.memory
		if s.values > 0 {
			x.GPU += s.sum / float64(s.values)
			s.sum, s.values = 0, 0
		}
	}
	return any
}

// end ends nvidia-smi, and does not wait for it: it may hang in the driver.
func (g *gpuWatch) end() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.kill()
}
