package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"qme/dashboard"
	"qme/executor"
	"qme/gitstore"
	"qme/index/query"
	"qme/record"
	"qme/tasks"
	"qme/tasks/spool"
)

// A served home connects the dashboard with the packages that do the work.
type served struct {
	a       *app
	home    string
	store   *gitstore.Store
	service *tasks.Service // of which every request takes a copy
	spool   *spool.Spool

	executors *executor.Set
	syncs     bool // a change is brought to the remote

	clearing  sync.Mutex // one clear at a time: each is one commit
	rerunning sync.Map   // by record.ID: the tasks that are being started again
}

func (a *app) served() (*served, error) {
	q, err := a.tasks()
	if err != nil {
		return nil, err
	}
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	q.Store = func() (*gitstore.Store, error) { return store, nil }
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	return &served{a: a, home: home, store: store, service: q, spool: q.Spool, executors: a.executors(cfg), syncs: cfg.Bool("sync.auto")}, nil
}

// use returns a tasks.Service for one request.
func (s *served) use() *tasks.Service {
	q := *s.service
	return &q
}

// Head implements dashboard.History, as do the next two.
func (s *served) Head() (string, error) {
	return s.store.Head()
}

func (s *served) Latest() (dashboard.Snapshot, error) {
	sn, err := s.store.Latest()
	if err != nil {
		return nil, err
	}
	return sn, nil
}

func (s *served) Differences(ctx context.Context, from, to string) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		for d, err := range s.store.Differences(ctx, from, to) {
			if err != nil {
				yield(record.Result{Err: err})
				return
			}
			rec, err := d.New()
			if !yield(record.Result{ID: d.ID, Record: rec, Err: err}) {
				return
			}
		}
	}
}

// Flights implements dashboard.Flights, as do the next ones.
func (s *served) Flights() ([]dashboard.Flight, error) {
	entries, err := os.ReadDir(s.spool.Dir())
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(s.home); err != nil {
			return nil, err // the home is gone, and not only the spool
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []dashboard.Flight
	for _, e := range entries {
		id, err := record.ParseID(e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		// The record is replaced as a whole whenever it changes.
		info, err := os.Stat(filepath.Join(s.spool.Dir(), e.Name(), "record.json"))
		if err != nil {
			continue // it has just been committed
		}
		stamp := fmt.Sprint(info.ModTime().UnixNano(), info.Size())
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			stamp += fmt.Sprint(" ", st.Ino)
		}
		list = append(list, dashboard.Flight{ID: id, Stamp: stamp})
	}
	return list, nil
}

func (s *served) Flight(id record.ID) (*record.Record, error) { return s.spool.Get(id, 0) }

func (s *served) Written(id record.ID) (dashboard.Written, error) {
	out, errs, err := s.spool.Written(id)
	return dashboard.Written{Stdout: out, Stderr: errs}, err
}

func (s *served) Follow(id record.ID, name record.StreamName, from, limit int64) (dashboard.Following, error) {
	p, err := s.spool.Follow(id, name, from, limit)
	return dashboard.Following(p), err
}

func (s *served) Recover(ctx context.Context) error { return s.use().RecoverSoon(ctx) }

// reference makes what cannot name a task an error of the request.
func reference(err error) error {
	if errors.Is(err, tasks.ErrReference) {
		return &dashboard.RequestError{Detail: err.Error()}
	}
	return err
}

func runOf(v tasks.Version) dashboard.Run {
	return dashboard.Run{Record: v.Record, Commit: v.Commit, Number: v.Number, Open: v.Stream}
}

// longestRef is more than any id has.
const longestRef = 200

// taskRef refuses what names no task as a whole: "@1" may be another one a moment later,
// and "" too.
func taskRef(ref string) error {
	if len(ref) > longestRef {
		return &dashboard.RequestError{Detail: fmt.Sprintf("%q… is too long for the id of a task", ref[:20])}
	}
	if ref == "" || strings.ContainsRune(ref, '@') {
		return &dashboard.RequestError{Detail: fmt.Sprintf("%q is not the id of a task, nor the beginning of one", ref)}
	}
	return nil
}

// wholeID is taskRef for what changes something: the beginning of an id may fit another
// task a moment later, and "shell-" fits the only one of its executor.
func wholeID(ref string) error {
	if err := taskRef(ref); err != nil {
		return err
	}
	if _, err := record.ParseID(ref); err != nil {
		return &dashboard.RequestError{Detail: fmt.Sprintf("%q is not the whole id of a task, which is what this takes", ref)}
	}
	return nil
}

// Find implements dashboard.Tasks, as do the next ones.
func (s *served) Find(ref string, number int) (dashboard.Run, error) {
	if err := taskRef(ref); err != nil {
		return dashboard.Run{}, err
	}
	if number > 0 {
		ref = fmt.Sprintf("%s@%d", ref, number)
	}
	v, err := s.use().Find(ref)
	if err != nil {
		return dashboard.Run{}, reference(err)
	}
	if v.Number == 0 {
		v.Number = max(v.Record.Data.Run, 1)
	}
	return runOf(v), nil
}

func (s *served) Runs(ref string) iter.Seq2[dashboard.Run, error] {
	return func(yield func(dashboard.Run, error) bool) {
		if err := taskRef(ref); err != nil {
			yield(dashboard.Run{}, err)
			return
		}
		for v, err := range s.use().Runs(ref) {
			if !yield(runOf(v), reference(err)) || err != nil {
				return
			}
		}
	}
}

func (s *served) Compare(ref string, a, b int) (dashboard.Comparison, error) {
	if err := taskRef(ref); err != nil {
		return dashboard.Comparison{}, err
	}
	q := s.use()
	from, err := q.Find(fmt.Sprintf("%s@%d", ref, a))
	if err != nil {
		return dashboard.Comparison{}, reference(err)
	}
	to, err := q.Find(fmt.Sprintf("%s@%d", ref, b))
	if err != nil {
		return dashboard.Comparison{}, reference(err)
	}
	c, err := q.Compare(from, to, tasks.DiffLimit)
	if err != nil {
		return dashboard.Comparison{}, err
	}
	cmp := dashboard.Comparison{A: runOf(from), B: runOf(to)}
	for _, f := range c.Fields {
		cmp.Fields = append(cmp.Fields, dashboard.FieldChange{Name: f.Name, A: f.From, B: f.To})
	}
	cmp.Streams = []dashboard.StreamChange{streamChange(record.Stdout, c, c.Stdout), streamChange(record.Stderr, c, c.Stderr)}
	return cmp, nil
}

func streamChange(name record.StreamName, c *tasks.Comparison, s tasks.StreamChange) dashboard.StreamChange {
	change := dashboard.StreamChange{Name: name, Same: s.Same, Note: s.Note}
	if !s.Same {
		change.Diff = c.Unified(s)
		change.Note = strings.Join(slices.DeleteFunc(append([]string{s.Note}, c.Notes...), func(n string) bool { return n == "" }), " ")
	}
	return change
}

func (s *served) Clear(ctx context.Context, refs []string) (int, error) {
	for _, ref := range refs {
		if err := wholeID(ref); err != nil {
			return 0, err
		}
	}
	s.clearing.Lock()
	defer s.clearing.Unlock()
	q := s.use()
	ids, err := q.SelectTasks(refs)
	if err != nil {
		return 0, reference(err)
	}
	what := string(ids[0])
	if len(ids) > 1 {
		what = fmt.Sprintf("%d tasks", len(ids))
	}
	if _, err := q.Clear(ctx, what, ids); err != nil {
		return 0, err
	}
	if t, err := s.a.mirrorTarget(); err == nil && t != nil {
		if _, err := s.start(os.DevNull, "mirror", "--auto"); err != nil {
			s.a.warn("the mirror does not follow: %v", err)
		}
	}
	return len(ids), nil
}

// Cancel ends what is running: the command, or by its executor the job that it has started.
func (s *served) Cancel(ctx context.Context, ref string, agreed dashboard.Agreement) (record.ID, error) {
	if err := wholeID(ref); err != nil {
		return "", err
	}
	v, err := s.use().Find(ref)
	if err != nil {
		return "", reference(err)
	}
	rec := v.Record
	offered := slices.ContainsFunc(s.Actions(rec), func(a dashboard.Action) bool { return a.Name == "cancel" })
	if rec.Data.Status == record.Running || !rec.Active() || !offered {
		id, err := s.use().Cancel(string(rec.UID))
		return id, reference(err)
	}
	res, err := s.Act(ctx, rec.UID, "cancel", nil, agreed)
	if err == nil && res.Exit != 0 {
		err = refusal(strings.TrimPrefix(strings.TrimSpace(string(res.Stderr)), "qme: "))
	}
	return rec.UID, err
}

// Refresh implements dashboard.Tasks. Warnings are a part of what it returns, so that they are
// told once and not each time.
func (s *served) Refresh(ctx context.Context) error {
	q := s.use()
	var errs []error
	q.Warn = func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	all, err := q.Refresh(ctx)
	for _, r := range all {
		errs = append(errs, r.Err)
	}
	if slices.ContainsFunc(all, func(r tasks.Refreshed) bool { return r.Changed }) {
		errs = append(errs, s.handOn())
	}
	return errors.Join(append(errs, err)...)
}

// handOn lets the mirror and, where the setting sync.auto says so, the remote follow.
func (s *served) handOn() error {
	var errs []error
	if t, err := s.a.mirrorTarget(); err != nil {
		errs = append(errs, fmt.Errorf("the mirror does not follow: %w", err))
	} else if t != nil {
		_, err := s.start(os.DevNull, "mirror", "--auto")
		errs = append(errs, err)
	}
	if s.syncs {
		_, err := s.start(os.DevNull, "sync", "--auto")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// start starts a qme of this home that outlives this process.
func (s *served) start(stderr string, args ...string) (*process, error) {
	cmd, err := itself(context.Background(), s.home, args...)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(stderr, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stderr = f
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd, make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // what its end means, its messages say
	}()
	return p, nil
}

// Search finds what "qme search" finds.
func (s *served) Search(ctx context.Context, text string, now time.Time) ([]record.ID, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // then ~ stays as it is
	}
	q, err := query.Parse(text, query.Options{Now: now, Home: home})
	var wrong *query.SyntaxError
	if errors.As(err, &wrong) {
		return nil, &dashboard.RequestError{Detail: wrong.Explain(), Position: &wrong.Pos}
	}
	if err != nil {
		return nil, err
	}
	search, err := s.use().Search(ctx, q, tasks.SearchOptions{Sort: tasks.SortCreated})
	if err != nil {
		return nil, err
	}
	var ids []record.ID
	for f := range search.Found {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case f.ID == "":
			return nil, f.Err
		case f.Err == nil:
			ids = append(ids, f.ID)
		}
	}
	return ids, nil
}

// Actions are those of the task's executor, without what only goes on in a terminal and what names files.
func (s *served) Actions(rec *record.Record) []dashboard.Action {
	e, ok := s.executors.Get(rec.Executor)
	if !ok {
		return nil
	}
	var list []dashboard.Action
	for _, act := range e.Actions() {
		if act.Name == "cancel" && !rec.Active() {
			continue
		}
		shown := dashboard.Action{Name: act.Name, Summary: act.Summary, Alters: act.Alters}
		for _, o := range act.Options {
			if o.Name != "follow" && o.Value != executor.FileValue {
				shown.Options = append(shown.Options, dashboard.ActionOption{Name: o.Name, Value: o.Value, Summary: o.Usage})
			}
		}
		list = append(list, shown)
	}
	return list
}

const (
	// actionLimit is how much of a stream an action prints.
	actionLimit = 1 << 20
	// actionTime bounds how long an action takes, and actionGrace how long its end does.
	actionTime  = 30 * time.Second
	actionGrace = time.Second
)

// Act performs an action as "qme exec" does, which it runs: what an executor asks may
// hang, and is ended then.
func (s *served) Act(ctx context.Context, id record.ID, action string, args []string, agreed dashboard.Agreement) (dashboard.Result, error) {
	words, err := s.actWords(id, action, args, agreed)
	if err != nil {
		return dashboard.Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	cmd, err := itself(ctx, s.home, words...)
	if err != nil {
		return dashboard.Result{}, err
	}
	// It ends what it asks, which is in groups of their own, and then all of its own group goes.
	cmd.Cancel = func() error {
		time.AfterFunc(actionGrace, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
	cmd.WaitDelay = actionGrace + time.Second
	var out, errs limited
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return dashboard.Result{}, fmt.Errorf("%s of task %s took longer than %s: %w", action, id, actionTime, record.ErrUnavailable)
	case err != nil && !errors.As(err, &exit):
		return dashboard.Result{}, err
	}
	return dashboard.Result{Stdout: out.b.Bytes(), Stderr: errs.b.Bytes(), Exit: cmd.ProcessState.ExitCode()}, nil
}

// actWords returns the command line that performs an action. The error is a dashboard.Foreign for
// one that alters a task that this home has not started, and was not agreed to.
func (s *served) actWords(id record.ID, action string, args []string, agreed dashboard.Agreement) ([]string, error) {
	words := []string{"--no-color", "exec"}
	v, err := s.use().Find(string(id))
	if err != nil {
		return nil, err
	}
	e, ok := s.executors.Get(v.Record.Executor)
	if !ok {
		return nil, fmt.Errorf("task %s: there is no executor %q here: %w", id, v.Record.Executor, record.ErrNotFound)
	}
	act, err := executor.Find(e, action)
	if err != nil {
		return nil, err
	}
	foreign, err := s.use().AltersForeign(v, act)
	switch {
	case err != nil:
		return nil, err
	case foreign == nil:
	case !agreed.Confirm || agreed.Digest != "" && agreed.Digest != foreign.Digest:
		return nil, (*dashboard.Foreign)(foreign)
	default:
		words = append(words, "--yes")
	}
	return append(append(words, string(id), action), args...), nil
}

// A limited keeps what is written to it up to a little more than actionLimit.
type limited struct{ b bytes.Buffer }

// Write implements io.Writer. It never fails.
func (l *limited) Write(p []byte) (int, error) {
	l.b.Write(p[:min(len(p), max(0, actionLimit+1-l.b.Len()))])
	return len(p), nil
}

var (
	_ dashboard.History  = (*served)(nil)
	_ dashboard.Flights  = (*served)(nil)
	_ dashboard.Tasks    = (*served)(nil)
	_ dashboard.Snapshot = (*gitstore.Snapshot)(nil)
)
