package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"qme/internal/lockfile"
	"qme/internal/program"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/internal/wholefile"
	"qme/record"
	"qme/tasks"
)

// Notices say when the user is told that tasks of the queue have ended, and how.
type Notices struct {
	// Command is a line for sh; without one no user is told. It must be from the user's own settings, since it is run.
	Command string
	// When are some of Events.
	When []string
	// Longer is for how long a run takes at least that is EventLong.
	Longer time.Duration
}

// The events of which a user can be told.
const (
	EventAll    = "all"    // each end
	EventFailed = "failed" // the end of a task that has not succeeded
	EventLong   = "long"   // the end of a run that took long
	EventGroup  = "group"  // nothing runs any more, and nothing waits that will start by itself
)

// Events are the values of Notices.When. They must not be changed.
var Events = []string{EventAll, EventFailed, EventLong, EventGroup}

// The variables of the command of a notice, beside tasks.Variable.
const (
	EventVariable  = "QME_EVENT"
	StatusVariable = "QME_STATUS"
	CodeVariable   = "QME_RETURNCODE"
)

const (
	noticeTime   = 30 * time.Second // for how long the command of a notice may run
	noticeOutput = 500              // how many bytes of its output are told if it fails
)

// ofTask reports whether the user is told of a task that has ended for good.
func (n Notices) ofTask(rec *record.Record) bool {
	d := &rec.Data
	return slices.Contains(n.When, EventAll) ||
		slices.Contains(n.When, EventFailed) && rec.Outcome() != record.OK ||
		slices.Contains(n.When, EventLong) && d.Duration >= n.Longer.Seconds()
}

// Notify tells the user of the end of a task of a home, by the command of n: it gets the record as JSON on
// its standard input, as it is stored, and the variables QME_TASK, QME_STATUS (such as "failed"),
// QME_RETURNCODE (empty if there is none) and QME_EVENT, which is "task" or, with EventGroup, "group". It
// may take 30 seconds, and is ended with all that it has started when ctx ends. The error says why it has
// failed, with the beginning of what it has printed.
func (n Notices) Notify(ctx context.Context, home, event string, rec *record.Record) error {
	b, err := record.Encode(rec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	cmd := program.Command(ctx, "sh", "-c", n.Command)
	out := &program.Buffer{Most: noticeOutput}
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = home, bytes.NewReader(b), out, out
	cmd.Env = noticeEnv(event, rec)
	switch err = cmd.Run(); {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it has left something running
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it has not ended after %v", noticeTime)
	}
	said := strings.TrimSpace(strings.ToValidUTF8(string(out.Bytes()), "\uFFFD"))
	if said != "" {
		said = ": " + strings.Join(strings.Fields(safe.Line(said)), " ")
	}
	return fmt.Errorf("notify.command, for task %s: %w%s", rec.UID, err, said)
}

// noticeEnv returns the environment of the command of a notice.
func noticeEnv(event string, rec *record.Record) []string {
	code := ""
	if c := rec.Data.ReturnCode; c != nil {
		code = strconv.Itoa(*c)
	}
	own := []string{tasks.Variable, tasks.RunVariable, EventVariable, StatusVariable, CodeVariable}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(own, name)
	})
	return append(env, tasks.Variable+"="+string(rec.UID), EventVariable+"="+event, StatusVariable+"="+rec.Outcome().String(), CodeVariable+"="+code)
}

// NoticeLog returns the log of the last notice that has failed; it is empty after one that has not.
func (q *Queue) NoticeLog() tasks.Log { return NoticeLogOf(q.Service) }

// NoticeLogOf is Queue.NoticeLog for the home of a service.
func NoticeLogOf(s *tasks.Service) tasks.Log { return tasks.NewLog(s.Home, "notify.log") }

const (
	noticeLock = ".notice.lock" // held by the process that tells the end of a group
	noticeFile = ".notice"      // when that was told last
)

// notice returns a function that tells the user of a task that has ended for good and has left the queue,
// which may be called from another goroutine; nil if there is nothing to tell. A failure is noted in
// NoticeLog: the error says that even this was not possible.
func (q *Queue) notice(ctx context.Context, rec *record.Record) func() error {
	n, left := q.options.Notices, time.Now()
	if n.Command == "" {
		return nil
	}
	var events []string
	var errs []error
	if n.ofTask(rec) {
		events = append(events, "task")
	}
	if slices.Contains(n.When, EventGroup) {
		last, err := q.endsGroup(ctx, left)
		if errs = append(errs, err); last {
			events = append(events, EventGroup)
		}
	}
	if len(events) == 0 && errors.Join(errs...) == nil {
		return nil
	}
	home, log := q.Service.Home, q.NoticeLog()
	return func() error {
		for _, event := range events {
			errs = append(errs, n.Notify(ctx, home, event, rec))
		}
		if err := errors.Join(errs...); err != nil {
			return log.Note(err)
		}
		return log.Clear()
	}
}

// TellWord is the word behind "qme queue" for Tell, in a process of its own.
const TellWord = "tell"

// tellApart has a process of its own tell the user of a task that has left the queue: this one may be any command, which
// must not wait for that, or a worker, which began when the settings were others. What the user has taken out before it
// started, the user knows.
func (q *Queue) tellApart(rec *record.Record) {
	if rec.Data.PID == 0 {
		return
	}
	cmd, err := q.options.Itself(context.Background(), "queue", TellWord, string(rec.UID))
	if err == nil {
		cmd.Env = tasks.OutsideRuns(os.Environ())
		err = program.Detach(cmd)
	}
	if err == nil {
		return
	}
	if err := q.NoticeLog().Note(fmt.Errorf("notify.command, for task %s: %w", rec.UID, err)); err != nil {
		q.Service.Warn("the user is not told of the end of a task: %v", err)
	}
}

// Tell tells the user of the end of a task that has left the queue.
func (q *Queue) Tell(ctx context.Context, id record.ID) error {
	v, err := q.Service.Find(string(id))
	if err != nil {
		return err
	}
	if tell := q.notice(ctx, v.Record); tell != nil {
		return tell()
	}
	return nil
}

// endsGroup reports whether the user is to be told that nothing runs any more and nothing waits that will
// start by itself, by a process whose task has left the queue at a time. Of several that find this so, one
// alone tells it.
func (q *Queue) endsGroup(ctx context.Context, left time.Time) (bool, error) {
	if over, err := q.groupOver(ctx); !over || err != nil {
		return false, err
	}
	disk := regular.NewFS()
	lock, err := lockfile.Wait(ctx, disk, q.file(noticeLock), lockfile.Exclusive)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	b, err := regular.ReadHere(q.file(noticeFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if last, err := time.Parse(time.RFC3339Nano, string(b)); err == nil && last.After(left) && last.Before(time.Now()) {
		return false, nil // by another one, after this task had left
	}
	return true, wholefile.Replace(disk, q.file(noticeFile), []byte(time.Now().Format(time.RFC3339Nano)))
}

// groupOver reports whether nothing runs, and nothing waits that will start by itself.
func (q *Queue) groupOver(ctx context.Context) (bool, error) {
	tries, err := q.Service.Tries()
	if len(tries) > 0 || err != nil {
		return false, err
	}
	ids, err := q.Service.Waiting.IDs()
	if err != nil || len(ids) == 0 {
		return err == nil, err
	}
	state, err := q.State()
	if err != nil {
		return false, err
	}
	for _, id := range ids { // in most cases the first one will start: the others need not be read
		t, err := q.task(id)
		if err == nil && !t.Held && len(t.After) == 0 && state.paused(t.Queue) == nil {
			return false, nil
		}
	}
	p, err := q.Reasons(ctx)
	if err != nil {
		return false, err
	}
	return len(p.Running) == 0 && !p.AnyStarts(), nil
}

// AnyStarts reports whether a task will start without the user, if nothing runs. What waits for another one that
// waits starts only if that does.
func (p *Picture) AnyStarts() bool {
	waits := make(map[record.ID]bool, len(p.Waiting))
	for _, w := range p.Waiting {
		waits[w.ID] = true
	}
	return slices.ContainsFunc(p.Waiting, func(w Wait) bool {
		switch w.Reason.Word {
		case Slots, Time, Retry:
			return true
		case Resources:
			return !w.Reason.Never
		case After:
			return slices.ContainsFunc(w.Reason.Tasks, func(id record.ID) bool { return !waits[id] })
		}
		return false
	})
}
