package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"qme/executor"
	"qme/executor/capture"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/internal/safe"
	"qme/internal/signalled"
	"qme/provenance"
	"qme/provenance/software"
	"qme/provenance/usage"
	"qme/record"
	"qme/tasks/spool"
)

// RunOptions are the options of one run.
type RunOptions struct {
	Message string
	// Quiet records the output of the command without passing it on.
	Quiet bool
	// Confirm, if not nil, is called by Rerun with the record to be run again. own says whether
	// this user has given the command in this home. If Confirm returns an error, Rerun returns
	// it and runs nothing.
	Confirm func(rec *record.Record, own bool) error
	// Secret, if not nil, is called by Rerun for each secret that is masked in the command to be
	// run again, and returns its value. Without it such a task is not run again.
	Secret func(Hidden) (string, error)
	// OwnInput says that the user has named the standard input, which a rerun uses then, whatever
	// the task has read before.
	OwnInput bool
	// Declared are the files that the user declares: up to record.MostDeclared patterns of up to
	// record.LongestDeclared bytes in each list. Each list that is given to Rerun replaces that of
	// the task.
	Declared provenance.Declared
	// Params are the parameters of the run, which its command also has as variables: see ParamVariable. Rerun takes them from the task.
	Params record.Params
	// Group says with which tasks RunNew's was given; nil for none. Rerun takes it from the task.
	Group *record.Group
	// Origin is the run whose command was changed to make that of RunNew; nil for none.
	Origin *record.Parent
	// Set has Rerun run the command with other values of these parameters, as a new task: in its template or, where there is none, in its
	// options. The error wraps sweep.ErrInvalid if that cannot be done.
	Set record.Params
	// Hash says that all files that the command names are hashed whole, for as long as that takes.
	Hash bool
	// Trace says that the files that the command uses are traced.
	Trace bool
	// Metrics are looked for when the run has ended. Each list that is given to Rerun replaces what the run before it has
	// recorded.
	Metrics MetricOptions
	// checking, if not nil, is what the run is compared with: see Check.
	checking *checking
	// try, if not nil, is that of the queue: see Supervise.
	try *try
	// Started, if not nil, is called with the task when the command runs and the run can be
	// cancelled. It is not called for a run that cannot be recorded.
	Started func(record.ID)
}

// A Report is the result of a run.
type Report struct {
	Record *record.Record
	// PassErr says why some output did not reach the caller's streams.
	PassErr error
	// Err says why the record could not be committed, and where it is stored instead.
	Err error
}

// ErrNotRecorded says that a command has run but its record is not in the history. Errors that
// wrap it say where the record is instead.
var ErrNotRecorded = errors.New("the run is not in the history")

// RunNew runs a command as a new task in the current directory. It returns an error if the
// command could not be tried. If the record could not be committed, Report.Err wraps
// ErrNotRecorded.
func (q *Service) RunNew(ctx context.Context, c executor.Command, opts RunOptions) (*Report, error) {
	id, err := record.NewID(c.Executor)
	if err != nil {
		return nil, err
	}
	return q.runNew(ctx, id, c, opts)
}

func (q *Service) runNew(ctx context.Context, id record.ID, c executor.Command, opts RunOptions) (*Report, error) {
	q.putBackFirst(ctx)
	dir, err := os.Getwd()
	if err != nil { // the directory was removed; the command may not need it
		dir = os.Getenv("PWD")
	}
	rec := &record.Record{Executor: id.Executor(), UID: id, Command: valid(c.Line), Data: record.Data{
		PWD: dir, Cmd: c.Argv, Message: valid(opts.Message), Declared: declaration(opts.Declared), Run: 1,
		Params: opts.Params, Group: opts.Group, Origin: opts.Origin,
	}}
	return q.execute(ctx, rec, capture.Spec{Cmd: c.Argv, Quiet: opts.Quiet}, q.masking(), "run", opts)
}

// Rerun runs a task again: the same command in the same directory under the same id or, with opts.Set, a changed one as a new task. The error
// wraps record.ErrConflict when the task is running, its directory is gone, or the user has to
// supply its input or a secret again. In these cases nothing is changed.
func (q *Service) Rerun(ctx context.Context, ref string, opts RunOptions) (*Report, error) {
	was, err := q.givenAgain(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	old, id := was, record.ID("")
	if len(opts.Set) > 0 {
		if old, id, err = q.withSet(was, opts.Set); err != nil {
			return nil, err
		}
	}
	check := opts.checking
	if check != nil {
		defer check.close()
		if q, old, err = check.begin(q, old, &opts); err != nil {
			return nil, err
		}
	}
	kept, err := q.inputAgain(old, opts.OwnInput)
	if err != nil {
		err = check.input(q, err)
	}
	if err != nil {
		return nil, err
	}
	if kept != nil {
		defer kept.file.Close()
		q = q.reading(kept)
	}
	if err := q.confirm(was, old, opts); err != nil {
		return nil, err
	}
	if err := check.look(q); err != nil {
		return nil, err
	}
	declare(old, opts.Declared)
	real, err := q.reveal(old, opts.Secret)
	if err != nil {
		return nil, err
	}
	if id != "" {
		if err := q.ownFolder(was, old, real.dir); err != nil {
			return nil, err
		}
	}
	if err := canEnter(real.dir); err != nil {
		return nil, fmt.Errorf("task %s ran in %s, which cannot be entered (%w): %w", old.UID, old.Data.PWD, err, record.ErrConflict)
	}
	rec := old.Next()
	if id != "" {
		rec = old.Changed(id)
	}
	if opts.Message != "" {
		rec.Data.Message = valid(opts.Message)
	}
	if check != nil {
		if real.dir, err = check.place(q, rec, real.dir); err != nil {
			return nil, err
		}
	}
	m := q.masking().with(real)
	opts.Declared, opts.Params = real.declared, real.params
	opts.Metrics = q.metricsAgain(old, opts.Metrics)
	return q.execute(ctx, rec, capture.Spec{Cmd: real.cmd, Dir: real.dir, Quiet: opts.Quiet}, m, verbOf(rec), opts)
}

// givenAgain returns the record of a task that is to be run again.
func (q *Service) givenAgain(ctx context.Context, ref string, opts RunOptions) (*record.Record, error) {
	if len(opts.Set) > 0 {
		return q.changeable(ref)
	}
	return q.rerunnable(ctx, ref)
}

// rerunnable returns the present record of a task, if its command can be run again now.
func (q *Service) rerunnable(ctx context.Context, ref string) (*record.Record, error) {
	// An earlier run in the spool would look like an active one, so recover it first. The
	// command has to wait for this, so limit the time; remaining entries are recovered in the
	// background.
	soon, cancel := context.WithTimeout(ctx, recoveryTime)
	left := q.Recover(soon)
	cancel()
	old, err := q.resolveRecord(ref)
	if err == nil {
		if err := q.notInSpool(old.UID, left); err != nil {
			return nil, err
		}
	}
	if left != nil && !errors.Is(left, record.ErrBusy) {
		q.Warn("an earlier run is still in the spool: %v", left)
	}
	if err != nil {
		return nil, err
	}
	if old.IsQueued() {
		return nil, isQueued(old.UID)
	}
	if old.Data.Status == record.Running && errors.Is(left, record.ErrBusy) {
		return nil, fmt.Errorf("task %s: %w: it is running, or its last run is not in the history yet: %w", old.UID, record.ErrConflict, left)
	}
	if old.Data.Status == record.Running {
		return nil, fmt.Errorf("task %s is running: %w", old.UID, record.ErrConflict)
	}
	if err := q.noJobOpen(ctx, old); err != nil {
		return nil, err
	}
	return old, repeatable(old)
}

// notInSpool returns an error if a run of the task has ended and is still in the spool, where
// it takes the place of the next run. why says why it is not committed; nil means unknown.
func (q *Service) notInSpool(id record.ID, why error) error {
	rec, err := q.Spool.Get(id, 0)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return nil
	case err != nil:
		return err
	case rec.Data.Status == record.Running:
		return nil
	case why == nil:
		return fmt.Errorf("task %s: its last run has ended and is just being recorded; try again in a moment: %w", id, record.ErrConflict)
	}
	return fmt.Errorf("task %s: its last run has ended and is not in the history yet; mend the reason, then rerun (%w): %w", id, why, record.ErrConflict)
}

// canEnter returns why a folder cannot become the working directory of a command, or nil.
func canEnter(dir string) error {
	if dir == "" {
		return unix.ENOENT
	}
	var st unix.Stat_t
	return unix.Stat(dir+"/.", &st) // needs the same permissions as chdir(2) and fails alike
}

// Exact returns an error, which wraps record.ErrConflict, if one of the texts of a task had bytes that
// are not UTF-8, of which the record does not say what they were.
func Exact(id record.ID, texts ...string) error {
	if slices.ContainsFunc(texts, func(s string) bool { return strings.ContainsRune(s, '\uFFFD') }) {
		return fmt.Errorf("task %s has an argument or a directory that was not UTF-8, and so is not recorded exactly: %w", id, record.ErrConflict)
	}
	return nil
}

// valid replaces bytes that are not UTF-8, so that the text can be stored as JSON.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func validAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = valid(s)
	}
	return out
}

// execute runs the command of spec and records it in rec, which already has the
// values that are known beforehand.
func (q *Service) execute(ctx context.Context, rec *record.Record, spec capture.Spec, m *masking, verb string, opts RunOptions) (*Report, error) {
	dir := cmp.Or(spec.Dir, rec.Data.PWD) // of a rerun the record has the directory as it is masked
	finding := q.fill(rec, dir)
	code := q.findCode(rec.Executor, dir, spec.Cmd)
	files := q.watchFiles(dir, spec.Cmd, opts)
	patch := q.takePatch(record.PartPatch, rec.Data.Git, finding, dir)
	rec.Data.Files, _, _ = files.Named().Short() // the part is written when the run has ended
	traceCutOff(rec, opts)
	opts.try.describe(rec)
	m.begin(rec, spec.Cmd)
	entry, spoolErr := q.begin(rec, opts.try)
	if errors.Is(spoolErr, record.ErrConflict) {
		return nil, spoolErr
	}
	if c := opts.checking; c != nil {
		taken := patch() // of the tree with all its files
		patch = func() *takenPatch { return taken }
		if err := c.start(q, rec, dir, entry, spoolErr, files); err != nil {
			return nil, err
		}
		defer c.putBack() // if the command cannot be started
		files = q.watchFiles(dir, spec.Cmd, opts)
		short, _, _ := files.Named().Short()
		rec.Data.Files = m.listed(short)
	}
	r := &run{
		q: q, rec: rec, dir: dir, params: opts.Params, checking: opts.checking, try: opts.try, entry: entry, verb: verb, started: opts.Started, hash: opts.Hash, trace: opts.Trace, files: files, code: code,
		software: q.collectSoftware(dir, spec.Cmd, m), script: q.takeScript(rec.Executor, dir, spec.Cmd), mask: m, metrics: opts.Metrics,
	}
	r.share()
	r.track()
	r.script.begin(r)
	r.patch = patch()
	background := q.recoverInBackground(ctx) // concurrently with the command, so that it costs no time
	res, err := r.start(ctx, spec)
	r.checking.ended()
	r.endTracing()
	if err == nil && spoolErr == nil {
		r.settle(ctx, res)
	}
	r.checking.end(r, res)
	background.pause()
	// From here on, other processes may hold the history's lock. Commit the run's own record
	// first, and let one time limit apply to all commits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	rep, err := r.end(ctx, res, spoolErr, err)
	own := err
	if rep != nil {
		own = rep.Err
	}
	if left := background.finish(ctx, own); left != nil && spoolErr == nil {
		q.Warn("an earlier run is still in the spool: %v", left)
	}
	return rep, err
}

// begin creates the entry of a run, and notes that the user has given its command.
func (q *Service) begin(rec *record.Record, t *try) (*spool.Entry, error) {
	if t != nil {
		return t.begin(rec) // its command was given when it was added
	}
	entry, err := q.Spool.Begin(rec)
	if err == nil && !rec.IsCheck() { // the last task is that of the last run that is none
		q.noteGiven(rec)
	}
	return entry, err
}

// end completes a run whose command was started, or could not be.
func (r *run) end(ctx context.Context, res *capture.Result, spoolErr, err error) (*Report, error) {
	if err != nil {
		return nil, errors.Join(err, r.abandon(ctx))
	}
	if spoolErr != nil {
		return &Report{Record: r.complete(res), PassErr: res.PassErr, Err: fmt.Errorf("%w, nor can it be: %w", ErrNotRecorded, spoolErr)}, nil
	}
	return r.record(ctx, res), nil
}

// watchFiles looks at the files that a command in dir names, and at those that are declared.
func (q *Service) watchFiles(dir string, argv []string, opts RunOptions) *provenance.Watch {
	set := q.Settings
	c := provenance.Command{Dir: dir, Declared: watchedOutputs(opts.Declared, q.metricsOf(opts.Metrics).Files), Traced: opts.Trace}
	switch {
	case set.Files && len(argv) > 0:
		c.Argv, c.Env, c.Stdin, c.Stdout, c.Stderr = argv, os.Environ(), set.Stdin, set.Stdout, set.Stderr
	case len(c.Declared.In)+len(c.Declared.Out) == 0 && !opts.Trace:
		return nil
	}
	hashes := set.Hashes
	hashes.All = opts.Hash
	w := provenance.Begin(c, hashes)
	for _, pattern := range w.Matching().In {
		q.Warn("no file matches --in %s", safe.Bounded(executor.Quote([]string{pattern})))
	}
	return w
}

// fill sets the fields of a record that are known when a run in a directory begins. It returns what
// else was found in the repository there.
func (q *Service) fill(rec *record.Record, dir string) worktree.Finding {
	d := &rec.Data
	git, finding := q.Settings.GitState(dir)
	d.Git = git
	d.PWD, d.Cmd = valid(d.PWD), validAll(d.Cmd)
	d.User, d.Host = valid(q.Settings.User), valid(q.Settings.Host)
	d.Status, d.Output, d.Error = record.Running, []string{}, []string{}
	for _, kv := range q.Settings.Env() {
		name, value, _ := strings.Cut(kv, "=")
		if name == software.ModulesVariable && !software.AreModules(value) {
			continue // it may be a URL with a token
		}
		if d.Env == nil {
			d.Env = map[string]string{}
		}
		d.Env[valid(name)] = valid(value)
	}
	if set := q.Settings; set.Stdin != nil {
		d.Terminal, d.Stdin = capture.Terminals(set.Stdin, set.Stdout, set.Stderr), capture.Stdin(set.Stdin)
	}
	if q.kept != nil {
		d.Stdin = q.kept.describe()
	}
	if d.Stdin != nil {
		d.Stdin.Path = valid(d.Stdin.Path)
	}
	d.Machine, d.Parent = q.looked.theMachine(), record.ParentOf(q.Settings.Within, q.Settings.WithinRun)
	d.RunID, d.Timestamp = record.NewRunID(), record.Now()
	return finding
}

// Variable is the environment variable with the id of the task whose command started the
// process.
const Variable = "QME_TASK"

// RunVariable is the environment variable with the data.run_id of that run.
const RunVariable = "QME_RUN"

// OutsideRuns returns an environment, which it changes in place, without Variable and RunVariable, so that a process that has it
// does not count as one of the run that they name.
func OutsideRuns(env []string) []string {
	return slices.DeleteFunc(env, func(kv string) bool {
		return strings.HasPrefix(kv, Variable+"=") || strings.HasPrefix(kv, RunVariable+"=")
	})
}

// A run is a run from its start to its commit.
type run struct {
	q        *Service
	rec      *record.Record
	entry    *spool.Entry // nil if the run cannot be recorded
	verb     string
	out, err *spool.Recorder
	tracker  executor.Tracker // nil for an executor that does not track jobs
	started  func(record.ID)  // see RunOptions; may be nil
	files    *provenance.Watch
	hash     bool // see RunOptions
	trace    bool // likewise
	tracing  *tracing
	mask     *masking
	software *provenance.Collection
	input    *inputCopy     // nil if nothing is recorded of standard input
	usage    *usage.Sampler // nil before the start, and when nothing is sampled
	patch    *takenPatch
	code     *foundCode
	script   *script
	dir      string        // where the command runs
	params   record.Params // as they are, not masked
	began    time.Time     // when its command has started; zero before
	checking *checking     // nil for a run that is no check
	try      *try          // nil for a run that is none of the queue
	metrics  MetricOptions // what is asked for
	unknown  []string      // metrics that may be in what is not kept of the output
	made     []record.File // the files that it has written, once they are known
	whole    *record.Files // all files of a run that has ended, masked; nil if there are none
}

// spec completes the command's specification from the settings.
func (r *run) spec(s capture.Spec) capture.Spec {
	set := r.q.Settings
	s.Mark = Variable + "=" + string(r.rec.UID)
	s.Env = append(OutsideRuns(os.Environ()), s.Mark, RunVariable+"="+string(r.rec.Data.RunID))
	s.Env = r.checking.environment(withParams(s.Env, r.params))
	s.OneStream = r.checking.oneStream()
	s.Stdin, s.Stdout, s.Stderr = set.Stdin, set.Stdout, set.Stderr
	s.Drain, s.KillGrace = set.Drain, set.KillGrace
	return s
}

func (r *run) start(ctx context.Context, s capture.Spec) (*capture.Result, error) {
	execute := r.q.Run
	if execute == nil {
		execute = capture.Run
	}
	s = r.spec(s)
	if r.entry == nil {
		return execute(ctx, s)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stop func()
	s.Control, stop = r.listen(ctx, cancel)
	defer stop()
	s.OnControl = func(c capture.Control) {
		if c == capture.Stop {
			r.usage.Pause()
		} else {
			r.usage.Resume()
		}
	}
	r.out, r.err = r.entry.Recorder(record.Stdout, r.q.Settings.Keep), r.entry.Recorder(record.Stderr, r.q.Settings.Keep)
	s.Out, s.Err = r.mask.stream(r.out), r.mask.stream(r.err)
	s.Input = r.watchInput()
	if r.q.kept != nil && !r.q.kept.script {
		r.part(record.PartStdin, r.q.kept.content)
	}
	endKeeping := func() {}
	defer func() { endKeeping() }()
	r.startTracing(&s, cmp.Or(s.Dir, r.rec.Data.PWD))
	if err := r.try.starts(); err != nil {
		return nil, err
	}
	s.OnStart = func(pid int) {
		r.began = record.Now().Time
		r.tracingStarted()
		r.files.Hash()
		r.software.Begin()
		r.patch.begin(r, r.rec.Data.Git)
		r.watchUsage(pid)
		r.rec.Data.PID = pid
		r.try.started(r)
		if err := r.write(); err != nil {
			r.q.Warn("the process id is not in the spool: %v", err)
		}
		endKeeping = r.keepFound()
		if r.started != nil {
			r.started(r.rec.UID)
		}
	}
	return execute(ctx, s)
}

// mostOrders is how many orders wait at most for the command to be ready for them.
const mostOrders = 16

// listen has words that other processes say to this one, which records the run, carried out: it calls
// cancel, and returns the orders for the command. It ends when stop is called and ctx is done.
func (r *run) listen(ctx context.Context, cancel func()) (orders <-chan capture.Control, stop func()) {
	c := make(chan capture.Control, mostOrders)
	order := func(o capture.Control) {
		select {
		case c <- o:
		case <-ctx.Done():
		}
	}
	return c, r.entry.Listen(func(w spool.Word) {
		switch w {
		case spool.WordCancel:
			cancel()
		case spool.WordStop:
			order(capture.Stop)
		case spool.WordContinue:
			order(capture.Continue)
		}
	})
}

// abandon ends a run whose result is unknown. If the command had started, the run is recorded
// as cancelled, with the output received so far.
func (r *run) abandon(ctx context.Context) error {
	switch {
	case r.entry == nil:
		return nil
	case r.rec.Data.PID == 0 && r.try != nil:
		return nil // it goes back to the queue: see Supervise
	case r.rec.Data.PID == 0:
		return r.entry.Remove()
	}
	err := r.close(nil)
	r.part(record.PartUsage, r.endUsage())
	r.rec.Data.Status = record.Cancelled
	return errors.Join(err, r.write(), r.q.commit(ctx, r.entry, r.rec, r.verb))
}

// codeTimedOut is the return code of a command that has said, when its time was up, that all is well. It
// is that of timeout(1).
const codeTimedOut = 124

// complete sets the fields of the record that are known when the run has ended.
func (r *run) complete(res *capture.Result) *record.Record {
	d := &r.rec.Data
	d.PID, d.Signal, d.Usage, d.Merged = res.PID, res.Signal, res.Usage, res.Merged
	r.passed(res)
	code := res.ReturnCode
	if res.TimedOut && code == 0 {
		code = codeTimedOut
	}
	d.ReturnCode = &code
	d.Duration = inSeconds(res.Duration)
	began := d.Timestamp.Time // of the run; its command starts a little later
	if r.began.After(began) {
		began = r.began
	}
	d.Finished = &record.Time{Time: began.Add(res.Duration + res.Stopped).Truncate(time.Microsecond)}
	if d.Queue != nil {
		d.Queue.TimedOut, d.Queue.Stopped = res.TimedOut, inSeconds(res.Stopped)
	}
	d.Status = record.Complete
	if res.Cancelled {
		d.Status = record.Cancelled
	}
	return r.rec
}

func inSeconds(t time.Duration) float64 {
	return float64(t.Round(time.Microsecond)) / float64(time.Second)
}

// settle completes the record of a run that has ended with all that this process knows.
func (r *run) settle(ctx context.Context, res *capture.Result) {
	if r.hash || r.checking != nil { // which may take long after the command
		waiting, stop := signalled.Until(context.WithoutCancel(ctx))
		defer stop()
		ctx = waiting
	}
	rec := r.complete(res)
	samples := r.endUsage()
	if err := r.entry.End(rec); err != nil {
		r.q.Warn("the end of the command is not in the spool yet: %v", err)
	}
	if err := r.close(res.RecordErr); err != nil {
		r.q.Warn("a part of the output is not recorded: %v", err)
	}
	r.listFiles(ctx)
	r.tellOuts()
	r.endSoftware()
	r.patch.end(r, r.rec.Data.Git)
	r.code.end(r)
	r.try.compare(r)
	r.part(record.PartUsage, samples)
	r.takeMetrics()
}

// record commits the record of a run that has ended and was settled.
func (r *run) record(ctx context.Context, res *capture.Result) *Report {
	r.submitted(ctx)
	return &Report{Record: r.rec, PassErr: res.PassErr, Err: r.commit(ctx)}
}

// write writes the record to the spool, with its secrets masked.
func (r *run) write() error {
	r.mask.rest(r.rec)
	r.mask.note(r.rec)
	return r.entry.Write(r.rec)
}

// close puts the streams into the record.
func (r *run) close(recordErr error) error {
	inline := r.q.Settings.Inline
	return errors.Join(recordErr, r.mask.flush(r.rec), r.out.Close(r.rec, inline), r.err.Close(r.rec, inline))
}

// commit commits the completed record. It also tries this if the spool, which is only
// intermediate storage, cannot be written.
func (r *run) commit(ctx context.Context) error {
	werr := r.write()
	err := r.q.commit(ctx, r.entry, r.rec, r.verb)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w; it is kept in %s, and the next qme command tries again",
		ErrNotRecorded, errors.Join(werr, err, r.entry.Sync(), r.entry.Close()), r.q.Spool.Dir())
}

// commit commits the record of an entry and removes the entry.
func (q *Service) commit(ctx context.Context, entry *spool.Entry, rec *record.Record, verb string) error {
	if _, err := q.Store(); err != nil {
		return err
	}
	streams, err := entry.Streams(rec)
	if err != nil {
		return err
	}
	parts, err := entry.Parts()
	if err != nil {
		return err
	}
	q.describeParts(rec, parts)
	q.noteCode(rec)
	err = q.commitRun(ctx, gitstore.Change{Verb: verb, What: rec.Command, ID: rec.UID, Beside: rec.IsCheck(), Streams: streams, Parts: parts}, rec)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	if err != nil {
		return err
	}
	if err := q.leave(entry, rec); err != nil {
		q.Warn("the record is in the history, but the spool could not be cleaned: %v", err)
	}
	return nil
}

// rebase returns rec as the run after current, the task's record in the commit version. It
// returns nil if current already is this run: a process committed it and died before it removed
// the entry.
func rebase(rec, current *record.Record, version string) *record.Record {
	rec.Data.Run, rec.Data.Previous = 1, ""
	if current == nil {
		return rec
	}
	if record.SameRun(current, rec) {
		if current.Data.ReturnCode != nil || rec.Data.ReturnCode == nil {
			return nil
		}
		// Another process recorded this run as cut off. Replace its record with the real end,
		// under the same number.
		rec.Data.Run, rec.Data.Previous = current.Data.Run, current.Data.Previous
		return rec
	}
	rec.Data.Run, rec.Data.Previous = record.NextRun(current.Data.Run), version
	return rec
}
