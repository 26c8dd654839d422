package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"qme/executor/capture"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/internal/signalled"
	"qme/provenance"
	"qme/provenance/aside"
	"qme/provenance/compare"
	"qme/record"
	"qme/tasks/spool"
)

// CheckOptions are the options of Check.
type CheckOptions struct {
	Compare compare.Options
	// InPlace leaves the files that the command makes where it makes them.
	InPlace bool
	// Sandbox runs the command in a copy of the recorded code, with copies of the inputs.
	Sandbox bool
	// SameInputs refuses a check whose inputs are not as they were.
	SameInputs bool
	// Before, if not nil, is called with the reference and what is different now, before the command starts.
	Before func(ref Version, changed []Since)
}

// A Checked is the outcome of a check.
type Checked struct {
	*Report
	Ref     Version // the reference
	Changed []Since // what was different before the command started, and the software that it has read
	// Itself are files that the reference has changed, and which it may have read before.
	Itself []string
	// Interrupted says that the user has ended the check, so that nothing was compared.
	Interrupted bool
	// Code says whether the return code and the signal are those of the reference.
	Code   bool
	Output *OutputCheck // nil if the command was cut off
	Files  *FilesCheck  // nil if the command was cut off
	Aside  aside.Report // what has become of the files that were set aside
	// NotIsolated are absolute paths that the command may have used outside its sandbox.
	NotIsolated []string
	// Left are the outputs of the reference that were left where they were, each with the reason.
	Left map[string]error
	// AsideErr says which files could not be put back, and where they are.
	AsideErr error
}

// Verdict returns the verdict of the check.
func (c *Checked) Verdict() string { return c.Record.Data.Check.Verdict }

// checking is a check that is under way.
type checking struct {
	CheckOptions
	ref     Version // with what it is compared
	own     bool    // whether this user has given the command in this home
	files   *record.Files
	changed []Since
	begins  map[string]int64 // how much of a file was there before the reference has appended to it
	set     *aside.Set
	left    map[string]error
	states  map[string]aside.State // of files that the command has made, when it has ended
	fates   map[string]aside.Do
	opened  []*os.File // streams of the command
	warn    func(format string, args ...any)
	beside  context.Context  // of what is done before and after the command; it ends when the user ends the check
	got     func() os.Signal // the signal with which the user has ended the check; nil for none
	sandbox *sandbox         // nil: the command runs where the reference ran
	result  Checked
}

// Check runs a task again as Rerun does, and compares it with an earlier run: the one that ref names, or
// the latest that is no check itself. Outputs of that run that are files are set aside meanwhile. What the
// command prints is not passed on, and it gets no other input than the reference had. The errors are those
// of Rerun; a record.ErrConflict if an input is missing, or it was not made for another reason.
func (q *Service) Check(ctx context.Context, ref string, o CheckOptions, opts RunOptions) (*Checked, error) {
	base, _, hasRun := cutRun(ref)
	opts.checking = &checking{CheckOptions: o, beside: ctx}
	if hasRun {
		v, err := q.Find(ref)
		if err != nil {
			return nil, err
		}
		opts.checking.ref = v
	}
	opts.Quiet = true
	signals := slices.DeleteFunc([]os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP}, signal.Ignored)
	if len(signals) > 0 { // they reach the command as well
		caught, got, stop := signalled.Catch(ctx, signals...)
		defer stop()
		opts.checking.beside, opts.checking.got = caught, got
	}
	rep, err := q.Rerun(ctx, base, opts)
	if err != nil {
		return nil, err
	}
	c := &opts.checking.result
	c.Report = rep
	c.where()
	return c, nil
}

// begin chooses the reference of a check, and returns the use cases with which its command is run, and its
// record.
func (c *checking) begin(q *Service, latest *record.Record, opts *RunOptions) (*Service, *record.Record, error) {
	if err := c.choose(q, latest); err != nil {
		return nil, nil, err
	}
	rec := c.ref.Record
	if err := Exact(rec.UID, append([]string{rec.Data.PWD}, rec.Data.Cmd...)...); err != nil {
		return nil, nil, err
	}
	q, err := c.withStreams(q, opts.OwnInput)
	if err == nil {
		c.recordAlike(q, opts)
	}
	return q, rec, err
}

// close closes what a check has opened, and removes its sandbox.
func (c *checking) close() {
	if err := c.removeSandbox(); err != nil {
		c.warn("the sandbox is not removed: %v", err)
	}
	for _, f := range c.opened {
		_ = f.Close() // nothing was written to it
	}
}

// place returns where the command of a check runs, which would run in dir otherwise, and says in its record
// that it is one.
func (c *checking) place(q *Service, rec *record.Record, dir string) (string, error) {
	if c.Sandbox {
		if err := c.newSandbox(c.beside, q); err != nil {
			return "", err
		}
		dir = c.sandbox.cwd
		rec.Data.PWD = valid(dir)
	}
	rec.Data.Check = c.newCheck()
	return dir, c.proceed()
}

// choose chooses the reference of a check.
func (c *checking) choose(q *Service, latest *record.Record) error {
	c.warn = q.Warn
	if c.ref.Record == nil {
		for v, err := range q.runs(latest, "") {
			if err != nil {
				return err
			}
			if !v.Record.IsCheck() {
				c.ref = v
				break
			}
		}
	}
	rec := c.ref.Record
	switch {
	case rec == nil || rec.IsCheck():
		return fmt.Errorf("task %s has no run that is not a check: %w", latest.UID, record.ErrConflict)
	case rec.Data.Job != nil:
		return fmt.Errorf("task %s has started a job, and jobs cannot be checked yet: %w", latest.UID, record.ErrConflict)
	case rec.Data.ReturnCode == nil:
		return fmt.Errorf("how run %d of task %s ended is not known, so nothing can be compared with it: %w", c.ref.Number, latest.UID, record.ErrConflict)
	}
	files, err := c.ref.Files()
	if err != nil {
		return err
	}
	c.files = files
	c.result.Ref = c.ref
	return nil
}

// recordAlike has the files of a check be recorded as those of its reference were.
func (c *checking) recordAlike(q *Service, opts *RunOptions) {
	if c.files == nil {
		return
	}
	opts.Trace = opts.Trace || c.files.Trace != nil && c.files.Trace.Error == ""
	for _, f := range c.files.Out {
		opts.Hash = opts.Hash || f.SHA256 != "" && !f.Partial && f.Size > q.Settings.Hashes.File
	}
}

// start sets files aside once the check is in the spool; files are those that its command names. With an
// error nothing is left of it.
func (c *checking) start(q *Service, rec *record.Record, dir string, entry *spool.Entry, spoolErr error, files *provenance.Watch) error {
	if spoolErr != nil {
		return fmt.Errorf("task %s: a check has to be recorded, and cannot be: %w", rec.UID, spoolErr)
	}
	err := c.setAside(c.beside, q, rec.UID, dir, files)
	if err != nil {
		err = errors.Join(err, entry.Remove())
	}
	return err
}

// look looks at what is different now, once the user has agreed to run the command.
func (c *checking) look(q *Service) (err error) {
	if c == nil {
		return nil
	}
	if c.own, err = q.Own(c.ref.Record); err != nil {
		return err
	}
	if c.changed, err = q.Since(c.beside, c.ref, SinceOptions{Agreed: true}); err != nil {
		return err
	}
	c.separate()
	return nil
}

// proceed tells what is different now, and returns why the check is not made.
func (c *checking) proceed() error {
	if err := c.beside.Err(); err != nil {
		return err
	}
	c.result.Changed = c.changed
	if c.Before != nil {
		c.Before(c.ref, c.changed)
	}
	return c.refuse()
}

// separate takes from what is different now the files that the reference has made in the place of others
// which it need not have read: the command line names them, and nothing else is known.
func (c *checking) separate() {
	ins := map[string]record.File{}
	if c.files != nil {
		for _, f := range c.files.In {
			ins[f.Path] = f
		}
	}
	c.begins = map[string]int64{}
	c.changed = slices.DeleteFunc(c.changed, func(s Since) bool {
		if s.Kind == KindInputs && s.Name == "" && c.files == nil {
			return true // it is said with the files
		}
		if was, there := ins[s.Name]; there && s.Own && beginsAs(s.Path, was) {
			c.begins[s.Name] = was.Size
			return true // it was appended to, so that the command gets what was there before
		}
		if !s.Remade {
			return false
		}
		if s.Own {
			c.result.Itself = append(c.result.Itself, s.Name)
		}
		return true
	})
}

// mostBegun bounds the beginnings of files that are hashed.
const mostBegun = 1 << 30

// beginsAs reports whether a file begins with the content that it had at the beginning of a run.
func beginsAs(path string, was record.File) bool {
	if was.SHA256 == "" || was.Partial || was.Size > mostBegun {
		return false
	}
	f, err := regular.OpenHere(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyN(sum, f, was.Size)
	return err == nil && n == was.Size && hex.EncodeToString(sum.Sum(nil)) == was.SHA256
}

// refuse returns why a check is not made with the inputs that are there.
func (c *checking) refuse() error {
	var why []string
	for _, s := range c.changed {
		name := safe.Bounded(s.Name)
		switch {
		case s.State == SinceMissing && (s.Kind == KindInputs || s.Kind == KindScript):
			why = append(why, name+" is missing")
		case s.Kind == KindInputs && c.SameInputs && s.State == SinceUnknown:
			why = append(why, "whether "+strings.TrimSpace(name+" is as it was is not known: ")+" "+safe.Bounded(s.Why))
		case s.Kind == KindInputs && c.SameInputs:
			why = append(why, name+" is not as it was")
		}
	}
	if len(why) == 0 {
		return nil
	}
	const most = 5
	if more := len(why) - most; more > 0 {
		why = append(why[:most], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("task %s was not run: %s: %w", c.ref.Record.UID, strings.Join(why, "; "), record.ErrConflict)
}

// newCheck returns what the record of a check says until its end.
func (c *checking) newCheck() *record.Check {
	return &record.Check{
		Of: c.ref.Record.Data.RunID, Verdict: record.CheckUnknown, Output: record.CheckUnknown,
		Exact: c.Compare.Exact, Tolerance: c.Compare.Tolerance, Sandbox: c.Sandbox,
	}
}

// end compares a check that has ended with its reference, and puts back what was set aside. res is nil if
// how it ended is not known.
func (c *checking) end(r *run, res *capture.Result) {
	if c == nil {
		return
	}
	c.result.Interrupted = c.got != nil && c.got() != nil
	if res != nil && !res.Cancelled && !c.result.Interrupted {
		if err := c.judge(r, res); err != nil {
			r.q.Warn("the comparison with %s: %v", c.ref.Name(), err)
		}
		if c.beside.Err() != nil { // not all was compared
			c.result.Interrupted, r.rec.Data.Check.Verdict = true, record.CheckUnknown
		}
	}
	if c.sandbox != nil && c.result.Files != nil {
		c.showNew(r.q)
	}
	if len(c.states) > 0 {
		if pids := processesOf(r.rec.Data.RunID); len(pids) > 0 {
			r.q.Warn("what the check has started goes on, and may write to files that are back: process %s", strings.Trim(fmt.Sprint(pids), "[]"))
		}
	}
	c.putBack()
}

// judge compares a check with its reference, and notes the verdict in its record.
func (c *checking) judge(r *run, res *capture.Result) error {
	now := Version{Record: r.rec, service: r.q}
	check := r.rec.Data.Check
	pair := compare.New(compare.FactsOf(c.ref.Record), compare.FactsOf(r.rec), c.Compare)
	was := c.ref.Record.Data
	c.result.Code = *was.ReturnCode == res.ReturnCode && was.Signal == res.Signal
	output, err := CheckOutput(c.ref, now, pair)
	if err != nil {
		return err
	}
	files := c.compareFiles(c.beside, r, pair)
	c.result.Changed = append(c.result.Changed, readOther(c.files, r.whole)...)
	c.result.Output, c.result.Files = output, files
	check.Output = output.Verdict
	if !c.result.Code {
		check.Output = record.CheckDiffers
	}
	masked := map[string]int{}
	for _, places := range []map[compare.Kind]int{output.Masked, files.Masked} {
		for kind, n := range places {
			masked[string(kind)] += n
		}
	}
	check.Masked = nil
	if len(masked) > 0 {
		check.Masked = masked
	}
	check.Files = files.counts()
	check.Verdict = verdict(check, files)
	return nil
}

// readOther returns the folders of software from which two traced runs have read other files, or the same with
// another content. What is in them is not listed, so that it is only known afterwards.
func readOther(was, now *record.Files) (changed []Since) {
	for _, tree := range treeChanges(was, now) {
		if tree.From != "" && tree.To != "" && !strings.Contains(tree.From+tree.To, NotRecorded) {
			changed = append(changed, Since{Kind: KindSoftware, Name: tree.Name, State: SinceChanged, From: tree.From, To: tree.To})
		}
	}
	return changed
}

// verdict returns the verdict of a check from its parts.
func verdict(check *record.Check, files *FilesCheck) string {
	f := check.Files
	switch {
	case check.Output == record.CheckDiffers || f != nil && f.Differ+f.Missing+f.New > 0:
		return record.CheckDiffers
	case check.Output == record.CheckUnknown || f != nil && f.Unknown > 0 || files.Incomplete:
		return record.CheckUnknown
	case f == nil && !files.None:
		return record.CheckOutput
	}
	return record.CheckReproduced
}

// putBack puts back what was set aside. What the command has left there is removed if it is the same as
// before, and otherwise shown.
func (c *checking) putBack() {
	if c.set == nil {
		return
	}
	rep, err := c.set.PutBack(func(path string) aside.Fate {
		do, judged := c.fates[path]
		if !judged {
			do = aside.Show
		}
		if c.InPlace && judged {
			do = aside.Stay
		}
		return aside.Fate{Do: do, Was: c.states[path]}
	})
	c.result.Aside, c.result.AsideErr, c.set = rep, err, nil
	c.result.Left = maps.Clone(c.left)
}

// ended notes the states of the files that the command has made, as soon as it has ended.
func (c *checking) ended() {
	if c == nil {
		return
	}
	for path := range c.states {
		state, err := aside.StateOf(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			state = aside.State{}
		}
		c.states[path] = state
	}
}
