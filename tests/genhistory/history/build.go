package history

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"qme/executor"
	"qme/gitstore"
	"qme/record"
)

// shellSyntax are the characters of the shapes' lines that take a shell.
const shellSyntax = "|&;<>$*'\""

// failures is the share of runs that fail.
const failures = 0.08

// change makes what commits a run of the plan.
func (p *plan) change(x run) gitstore.Change {
	t := &p.tasks[x.task]
	same := rand.New(rand.NewPCG(t.seed, 0)) // what all runs of the task have in common
	id := newID(executor.ShellName, t.made, same)
	fill := &filler{r: same, user: t.user, host: t.host, script: "train.py"}
	cmd, line := command(fill.expand(t.shape.line, 0))
	rec := &record.Record{Executor: executor.ShellName, UID: id, Command: line, Data: record.Data{
		PWD: fill.expand(t.project.dir, 0), User: t.user, Timestamp: record.Time{Time: x.start}, Message: t.message, Cmd: cmd,
		Status: record.Complete, Host: t.host, Env: t.project.env,
		Finished: &record.Time{Time: x.end()}, Duration: x.took.Round(time.Microsecond).Seconds(),
	}}
	rec.Data.RunID = record.RunID(newID(executor.ShellName, x.start, rand.New(rand.NewPCG(t.seed, ^uint64(x.n)))).UUID())
	fill.r = rand.New(rand.NewPCG(t.seed, uint64(x.n)))
	how(rec, fill.r)
	if t.project.git {
		rec.Data.Git = gitState(t.project, x.start, fill.r)
	}
	if p.chains != nil {
		rec.Data.Files = t.files(rec.Data.PWD, p.chains[x.task])
	}
	c := gitstore.Change{Verb: "run", What: line, When: x.end(), ID: id, Streams: map[record.StreamName]gitstore.Blob{}}
	if x.n > 1 {
		c.Verb = "rerun"
	}
	printed := output(t.shape, fill)
	if p.trainings {
		printed = training(rec, x.task, len(p.tasks), fill.r)
		c.What = rec.Command
	}
	keep(c.Streams, rec, record.Stdout, printed)
	keep(c.Streams, rec, record.Stderr, errorOutput(t.shape, fill, rec))
	c.Build = func(current *record.Record, commit string) (*record.Record, error) {
		return upon(rec, current, commit, x.n)
	}
	return c
}

// upon makes rec the n-th run, which follows current.
func upon(rec, current *record.Record, commit string, n int) (*record.Record, error) {
	before := 0
	if current != nil {
		before, rec.Data.Previous = current.Data.Run, commit
	}
	if before != n-1 {
		return nil, fmt.Errorf("task %s has %d runs where run %d is to be added: %w", rec.UID, before, n, record.ErrConflict)
	}
	rec.Data.Run = n
	return rec, nil
}

// command returns what is executed for a line, and the line as it is recorded.
func command(line string) (cmd []string, recorded string) {
	if strings.ContainsAny(line, shellSyntax) {
		return []string{"sh", "-c", line}, line
	}
	cmd = strings.Fields(line)
	return cmd, executor.Quote(cmd)
}

// how says how the run ended and what it used.
func how(rec *record.Record, r *rand.Rand) {
	d := &rec.Data
	code := 0
	switch f := r.Float64() / failures; {
	case f < 0.75:
		code = 1 + r.IntN(2)
	case f < 0.85:
		code = 127
	case f < 0.93:
		code, d.Signal = 128+int(syscall.SIGKILL), "SIGKILL"
	case f < 1:
		code, d.Signal, d.Status = 128+int(syscall.SIGINT), "SIGINT", record.Cancelled
	}
	d.ReturnCode = &code
	d.PID = 1000 + r.IntN(4_000_000)
	share := 0.2 + 0.7*r.Float64()
	micro := func(s float64) float64 { return float64(int64(s*1e6)) / 1e6 }
	d.Usage = &record.Usage{User: micro(d.Duration * share), System: micro(d.Duration * share / 10), MaxRSS: (2 << 20) + r.Int64N(4<<18)*4096}
}

// gitState is the state of a project's repository: a commit every few hours.
func gitState(p *project, at time.Time, r *rand.Rand) *record.Git {
	sum := sha1.Sum(fmt.Appendf(nil, "%s %d", p.name, at.Unix()/(3*3600)))
	dirty := r.Float64() < 0.6
	return &record.Git{Commit: hex.EncodeToString(sum[:]), Branch: p.branch(at), Dirty: &dirty}
}

// keep puts a stream into the record as a run would: in it, or beside it.
func keep(streams map[record.StreamName]gitstore.Blob, rec *record.Record, name record.StreamName, b []byte) {
	if record.Inline(b, inline) {
		lines := record.Lines(string(b))
		name.Set(rec, lines, nil)
		return
	}
	name.Set(rec, record.Preview(b, b, true), &record.Stream{Size: int64(len(b)), SHA256: sha256Hex(b)})
	streams[name] = gitstore.Blob{Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}
