package services

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"qme/tests/require"
)

// A Cluster is a Slurm cluster of one node with two processors: controller, node
// daemon, and accounting in a MariaDB of its own. Its methods are for the goroutine of
// a test; tests that stop a daemon must not run beside others that use the cluster.
//
// The partition "debug" is the default and takes jobs. A job in the partition "never"
// stays pending: its node is down; so does a heterogeneous job, as its parts need a
// node each. sacct may know of a job and of its end some seconds later than scontrol:
// the controller sends what happened in batches, every five seconds.
type Cluster struct {
	// Dir holds the configuration (slurm.conf), the logs (*.log) and the state.
	Dir string

	keeper *keeper
	pids   map[string]int // of the daemons that run
}

// The limits of what a cluster waits for.
const (
	slurmLimit = time.Minute // until a daemon answers
	pollEvery  = 50 * time.Millisecond
)

// shared is the cluster of this process.
var shared struct {
	sync.Mutex
	tried   bool
	cluster *Cluster
}

// Slurm returns the cluster of this test binary, or ends the test where Slurm is not
// there. The first call starts it, which takes seconds. It ends, with all jobs, when
// the test binary ends, also when that is killed.
func Slurm(t testing.TB) *Cluster {
	t.Helper()
	require.Component(t, "munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd",
		"sbatch", "sacct", "sacctmgr", "scontrol", "scancel", "sinfo", "squeue")
	shared.Lock()
	defer shared.Unlock()
	if !shared.tried {
		shared.tried = true
		shared.cluster = startCluster(t)
	}
	if shared.cluster == nil {
		t.Fatal("Slurm did not start for an earlier test")
	}
	return shared.cluster
}

// Env returns the variables, as KEY=VALUE, that make the programs of Slurm use the
// cluster. Others that they know (SLURM_CLUSTERS, SBATCH_PARTITION) still count.
func (c *Cluster) Env() []string { return []string{"SLURM_CONF=" + c.conf()} }

// StopController ends slurmctld; jobs that run go on. It is started again at the end
// of the test, at the latest.
func (c *Cluster) StopController(t testing.TB) {
	t.Helper()
	c.stop(t, "slurmctld")
	t.Cleanup(func() { c.StartController(t) })
}

// StartController starts slurmctld, unless it runs, and waits until the node is ready
// for jobs.
func (c *Cluster) StartController(t testing.TB) {
	t.Helper()
	if c.pids["slurmctld"] != 0 {
		return
	}
	c.start(t, "slurmctld", "-D")
	c.await(t, "slurmctld", "UP", "scontrol", "ping")
	if c.pids["slurmd"] == 0 {
		c.start(t, "slurmd", "-D")
	}
	c.awaitNode(t)
}

// StopAccounting ends slurmdbd. It is started again at the end of the test, at the
// latest.
func (c *Cluster) StopAccounting(t testing.TB) {
	t.Helper()
	c.stop(t, "slurmdbd")
	t.Cleanup(func() { c.StartAccounting(t) })
}

// StartAccounting starts slurmdbd, unless it runs, and waits until it answers. What
// the controller has kept for it meanwhile arrives some seconds later.
func (c *Cluster) StartAccounting(t testing.TB) {
	t.Helper()
	if c.pids["slurmdbd"] != 0 {
		return
	}
	c.start(t, "slurmdbd", "-D")
	c.await(t, "slurmdbd", "", "sacctmgr", "--noheader", "--readonly", "list", "cluster")
}

// clusterName is what the cluster calls itself.
const clusterName = "qmetest"

func (c *Cluster) conf() string { return filepath.Join(c.Dir, "slurm.conf") }

// unfinished is a test whose cleanups are the keeper's: what it starts outlives it.
type unfinished struct{ testing.TB }

func (unfinished) Cleanup(func()) {}

func startCluster(t testing.TB) *Cluster {
	t.Helper()
	k := newKeeper(t)
	ok := false
	defer func() {
		if !ok {
			_ = k.pipe.Close() // ends what has been started
		}
	}()
	dir, err := os.MkdirTemp("", "qme-slurm-")
	if err != nil {
		t.Fatal(err)
	}
	k.ask(t, request{Remove: dir})
	// Jobs of other users read the configuration and the socket of munged.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Dir: dir, keeper: k, pids: map[string]int{}}
	database := c.startDatabase(t)
	c.configure(t, database)
	c.startMunge(t)
	c.StartAccounting(t)
	c.run(t, "sacctmgr", "--immediate", "add", "cluster", clusterName)
	c.StartController(t)
	ok = true
	return c
}

// startDatabase starts the database of the accounting.
func (c *Cluster) startDatabase(t testing.TB) *Server {
	t.Helper()
	s := MariaDB(unfinished{t})
	c.keeper.ask(t, request{Adopt: s.cmd.Process.Pid, Remove: s.dir})
	s.Exec("CREATE DATABASE slurm")
	s.Exec("CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm'")
	s.Exec("GRANT ALL ON slurm.* TO slurm@'127.0.0.1'")
	return s
}

// configure writes the files of the cluster.
func (c *Cluster) configure(t testing.TB, database *Server) {
	t.Helper()
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	ports := quietPorts(t, 4)
	set := strings.NewReplacer("{dir}", c.Dir, "{user}", account.Username, "{host}", host, "{cluster}", clusterName,
		"{ctld}", ports[0], "{slurmd}", ports[1], "{dbd}", ports[2], "{nobody}", ports[3], "{mariadb}", strconv.Itoa(database.port))
	key := make([]byte, 128)
	_, _ = rand.Read(key) // never fails
	for _, f := range []struct {
		name, text string
		mode       os.FileMode
	}{
		{"munge.key", string(key), 0o600},
		{"slurmdbd.conf", set.Replace(slurmdbdConf), 0o600},
		{"slurm.conf", set.Replace(slurmConf), 0o644},
	} {
		if err := os.WriteFile(filepath.Join(c.Dir, f.name), []byte(f.text), f.mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"state", "spool"} {
		if err := os.Mkdir(filepath.Join(c.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

const slurmdbdConf = `AuthType=auth/munge
AuthInfo=socket={dir}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd}
SlurmUser={user}
PidFile={dir}/slurmdbd.pid
LogFile={dir}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadb}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
`

// AccountingStoragePass is the socket of munged for what goes to slurmdbd. A requeued job
// waits until its old credential has expired, which is 120 s else. The node
// takes jobs whatever the machine has, and nothing needs a cgroup.
const slurmConf = `ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={slurmd}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={dir}/munge.socket,cred_expire=15
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool
SlurmctldPidFile={dir}/slurmctld.pid
SlurmdPidFile={dir}/slurmd.pid
SlurmctldLogFile={dir}/slurmctld.log
SlurmdLogFile={dir}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
AccountingStoragePass={dir}/munge.socket
JobRequeue=1
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
NodeName=absent NodeAddr=127.0.0.1 Port={nobody} CPUs=2 RealMemory=2000 State=DOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=never Nodes=absent MaxTime=INFINITE State=UP
`

// quietPorts returns free ports of the loopback interface, below those that the system
// gives to clients: a daemon that is stopped finds its own free when it starts again.
func quietPorts(t testing.TB, n int) []string {
	t.Helper()
	ports := make([]string, 0, n)
	for range 1000 {
		if len(ports) == n {
			return ports
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(20000+mathrand.IntN(12000)))
		if err != nil {
			continue // taken
		}
		defer l.Close() // not before the others have been chosen
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	t.Fatal("no free ports from 20000 to 31999 on 127.0.0.1")
	return nil
}

// startMunge starts the daemon that vouches for users, with a key of its own.
func (c *Cluster) startMunge(t testing.TB) {
	t.Helper()
	in := func(name string) string { return filepath.Join(c.Dir, name) }
	socket := in("munge.socket")
	// It calls it insecure that anyone may write to the folder above.
	c.start(t, "munged", "--foreground", "--force", "--key-file="+in("munge.key"), "--socket="+socket,
		"--pid-file="+in("munged.pid"), "--seed-file="+in("munged.seed"), "--log-file="+in("munged.log"))
	c.await(t, "munged", "", "munge", "--no-input", "--socket="+socket)
}

// start starts a daemon.
func (c *Cluster) start(t testing.TB, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	a := c.keeper.ask(t, request{Start: append([]string{path}, args...), Env: c.environ(), Dir: c.Dir, Log: c.out(name)})
	c.pids[name] = a.Pid
}

// out is the file with what a daemon prints, beside its log.
func (c *Cluster) out(name string) string { return filepath.Join(c.Dir, name+".out.log") }

func (c *Cluster) environ() []string {
	return append(os.Environ(), append(c.Env(), "LC_ALL=C")...)
}

func (c *Cluster) stop(t testing.TB, name string) {
	t.Helper()
	if c.pids[name] == 0 {
		t.Fatalf("%s is stopped already", name)
	}
	c.keeper.ask(t, request{Stop: c.pids[name]})
	c.pids[name] = 0
}

// await runs a command until it succeeds and prints what is wanted; "" is anything.
func (c *Cluster) await(t testing.TB, daemon, want string, name string, args ...string) {
	t.Helper()
	deadline := time.Now().Add(slurmLimit)
	for {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env, cmd.Dir = c.environ(), c.Dir
		out, err := cmd.CombinedOutput()
		cancel()
		if err == nil && bytes.Contains(out, []byte(want)) {
			return
		}
		if c.keeper.ask(t, request{Running: c.pids[daemon]}).Gone {
			t.Fatalf("%s has ended\n%s", daemon, c.logs(daemon))
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %s: %v\n%s\n%s", daemon, cmd, err, out, c.logs(daemon))
		}
		time.Sleep(pollEvery)
	}
}

// awaitNode waits until the node takes jobs or runs some.
func (c *Cluster) awaitNode(t testing.TB) {
	t.Helper()
	c.await(t, "slurmd", "up", "sinfo", "--noheader", "--partition=debug", "--states=idle,mixed,allocated", "--responding", "--format=%a")
}

// logs returns what a daemon has said.
func (c *Cluster) logs(name string) string {
	var said strings.Builder
	for _, path := range []string{c.out(name), filepath.Join(c.Dir, name+".log")} {
		b, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(&said, err)
			continue
		}
		fmt.Fprintf(&said, "%s:\n%s\n", path, b)
	}
	return said.String()
}

// run runs a program of Slurm.
func (c *Cluster) run(t testing.TB, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = c.environ(), c.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
