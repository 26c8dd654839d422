package services_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/tests/services"
)

// slurm runs a program of Slurm and returns what it prints.
func slurm(t *testing.T, c *services.Cluster, name string, args ...string) string {
	t.Helper()
	out, err := command(c, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func command(c *services.Cluster, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), c.Env()...)
	return cmd
}

// submit submits a command and returns the job's id.
func submit(t *testing.T, c *services.Cluster, args ...string) string {
	t.Helper()
	return slurm(t, c, "sbatch", append([]string{"--parsable", "--output=/dev/null"}, args...)...)
}

// awaitState waits until the accounting says that a job is in a state.
func awaitState(t *testing.T, c *services.Cluster, id, want string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		state := slurm(t, c, "sacct", "-X", "-n", "-P", "-o", "State", "-j", id)
		if state == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %s: state %q, want %s\n%s", id, state, want, slurm(t, c, "scontrol", "show", "job"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestSlurm(t *testing.T) {
	c := services.Slurm(t)
	t.Run("job", func(t *testing.T) {
		awaitState(t, c, submit(t, c, "--wrap=true"), "COMPLETED")
		awaitState(t, c, submit(t, c, "--wrap=exit 3"), "FAILED")
	})
	t.Run("srun", func(t *testing.T) {
		awaitState(t, c, submit(t, c, "--wrap=srun true"), "COMPLETED")
	})
	t.Run("pending", func(t *testing.T) {
		id := submit(t, c, "--partition=never", "--wrap=true")
		awaitState(t, c, id, "PENDING")
		slurm(t, c, "scancel", id)
		awaitState(t, c, id, "CANCELLED by "+strconv.Itoa(os.Getuid()))
	})
	t.Run("without controller", func(t *testing.T) {
		c.StopController(t)
		if out, err := command(c, "scontrol", "ping").CombinedOutput(); err == nil || !strings.Contains(string(out), "DOWN") {
			t.Errorf("scontrol ping: %v\n%s", err, out)
		}
		c.StartController(t)
		awaitState(t, c, submit(t, c, "--wrap=true"), "COMPLETED")
	})
	t.Run("without accounting", func(t *testing.T) {
		c.StopAccounting(t)
		if out, err := command(c, "sacct").CombinedOutput(); err == nil {
			t.Errorf("sacct succeeded:\n%s", out)
		}
		id := submit(t, c, "--wrap=true")
		c.StartAccounting(t)
		awaitState(t, c, id, "COMPLETED")
	})
	if services.Slurm(t) != c {
		t.Error("a second cluster was started")
	}
}

// TestSlurmProcess starts a cluster for TestSlurmEnds, which kills it.
func TestSlurmProcess(t *testing.T) {
	if os.Getenv("SLURM_TEST_PROCESS") == "" {
		t.Skip("this is a part of TestSlurmEnds")
	}
	c := services.Slurm(t)
	id := submit(t, c, "--wrap=exec sleep 1000")
	awaitState(t, c, id, "RUNNING")
	t.Logf("cluster in %s", c.Dir)
	select {}
}

func TestSlurmEnds(t *testing.T) {
	services.Slurm(t) // both at once, and skip where it is not there
	cmd := exec.Command(os.Args[0], "-test.run=^TestSlurmProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "SLURM_TEST_PROCESS=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	for s := bufio.NewScanner(out); dir == "" && s.Scan(); {
		_, dir, _ = strings.Cut(s.Text(), "cluster in ")
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the signal has ended it
	if dir == "" {
		t.Fatal("no cluster was started")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		left := users(t, dir)
		_, err := os.Stat(dir)
		if len(left) == 0 && os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left of the cluster: folder: %v, processes: %q", err, left)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// users returns the processes, by their command lines, whose environment names a
// folder: daemons and jobs know it as SLURM_CONF.
func users(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		environ, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !strings.Contains(string(environ), dir) {
			continue // none of ours, or ended meanwhile
		}
		args, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil {
			found = append(found, strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}
