package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"qme/gitstore/remote"
	"qme/internal/intime"
	"qme/internal/safe"
	"qme/mirror/target"
	"qme/queue"
	"qme/record"
	"qme/tasks"
)

const (
	// mirrorPatience is how long status waits for the database of the mirror.
	mirrorPatience = 2 * time.Second
	// sizePatience is how long it adds up the sizes of files.
	sizePatience = 100 * time.Millisecond
	// countPatience is how long the page counts the tasks by which two states differ.
	countPatience = 100 * time.Millisecond
)

type statusCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *statusCommand) command() *cli.Command {
	var asJSON, fetch bool
	return &cli.Command{
		Name:  "status",
		Usage: "show on a page what is running, what has failed lately, and what is not shared yet",
		Description: `It shows running and queued tasks, the failed ones of the latest 25, what each remote
and the mirror do not have yet, runs that are not saved yet, the search index and the
size of the home. It changes nothing, and asks nobody but the database of the mirror,
for two seconds at the most: the history is compared with the last known state of each
remote. --fetch asks the remotes first.

It ends with 0 also if something has failed or is behind; with --fetch it ends with 8
if a remote cannot be reached, and if a record cannot be read, with 6.

Examples:
  qme status
  qme status --fetch
  qme status --json | jq .spool.waiting`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "fetch", Usage: "ask the remotes first", Destination: &fetch},
			&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &asJSON},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			return cmd.run(ctx, fetch, asJSON)
		},
	}
}

// A statusSeen is what status has found out.
type statusSeen struct {
	home     string
	size     int64 // -1: not known in time
	overview *tasks.Overview
	remotes  []remoteSeen
	mirror   *mirrorSeen // nil: none is set
	index    tasks.IndexState
	autoSync string // see statusJSON
	notice   string // why the last notice of the queue failed, "" if it did not
}

// A remoteSeen is a remote, and what it does not have.
type remoteSeen struct {
	name, url string
	tasks.RemoteState
}

// A mirrorSeen is the state of the mirror, or why it is not known.
type mirrorSeen struct {
	database string
	tasks.MirrorState
	trouble string // why the last attempt to update it failed
	err     error
}

func (cmd *statusCommand) run(ctx context.Context, fetch, asJSON bool) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := cmd.settings.homeDir(); err != nil {
		return err
	}
	q, err := cmd.home.tasks()
	if err != nil {
		return err
	}
	q.ReadOnly = true
	limit := countPatience
	if asJSON {
		limit = 0 // programs get exact numbers
	}
	st, failed, err := cmd.look(ctx, q, fetch, limit)
	if err != nil {
		return err
	}
	cmd.settings.warnIfOpen()
	for _, err := range st.overview.Damaged {
		cmd.term.warn("%v", err)
	}
	if asJSON {
		err = cmd.term.printJSON(st.json())
	} else {
		err = cmd.term.statusPage(st)
	}
	switch {
	case err != nil:
		return err
	case failed:
		return &codeError{exitRemote, nil}
	case len(st.overview.Damaged) > 0:
		return &codeError{exitCorrupt, errors.New("some records cannot be read; \"qme check\" says more")}
	}
	return nil
}

// look finds out all that status shows. failed says that a remote could not be asked.
func (cmd *statusCommand) look(ctx context.Context, q *tasks.Service, fetch bool, limit time.Duration) (st statusSeen, failed bool, err error) {
	st.home = q.Home
	there, err := q.HasHistory()
	if err == nil && there {
		_, err = q.Store() // before several goroutines ask for it
	}
	if err != nil {
		return st, false, err
	}
	mirror, size := make(chan *mirrorSeen, 1), make(chan int64, 1)
	t, err := cmd.settings.mirrorTarget()
	go func() { mirror <- mirrorOf(ctx, q, t, err, there, limit) }()
	go func() { size <- sizeOf(ctx, q) }()
	if st.overview, err = q.Overview(); err != nil {
		return st, false, err
	}
	if there {
		if st.remotes, failed, err = cmd.remotes(ctx, q, fetch, limit); err != nil {
			return st, false, err
		}
	}
	if st.index, err = q.IndexState(ctx, limit); err != nil {
		return st, false, err
	}
	if st.autoSync, err = q.SyncLog().Read(); err != nil {
		return st, false, err
	}
	if st.notice, err = queue.NoticeLogOf(q).Read(); err != nil {
		return st, false, err
	}
	st.mirror, st.size = <-mirror, <-size
	return st, failed, ctx.Err()
}

// sizeOf returns the size of the files in the home, -1 if adding them up takes too long.
func sizeOf(ctx context.Context, q *tasks.Service) int64 {
	ctx, cancel := context.WithTimeout(ctx, sizePatience)
	defer cancel()
	size, err := q.Size(ctx)
	if err != nil {
		return -1
	}
	return size
}

// mirrorOf returns the state of the mirror in t, nil if that is nil. wrong is what is wrong with the setting.
// It ends in time whatever the database does.
func mirrorOf(ctx context.Context, q *tasks.Service, t *target.Target, wrong error, there bool, limit time.Duration) *mirrorSeen {
	if wrong != nil {
		return &mirrorSeen{err: errors.New("the setting database is invalid")}
	}
	if t == nil {
		return nil
	}
	seen := &mirrorSeen{database: t.String(), trouble: q.MirrorLog().Last()}
	if !there {
		return seen
	}
	asked, ok := intime.Within(mirrorPatience+100*time.Millisecond, func() mirrorSeen {
		return askMirror(ctx, q, t, limit)
	})
	if !ok {
		asked.err = errNoMirror
	}
	seen.MirrorState, seen.err = asked.MirrorState, asked.err
	return seen
}

var errNoMirror = fmt.Errorf("the database does not answer within %s", mirrorPatience)

func askMirror(ctx context.Context, q *tasks.Service, t *target.Target, limit time.Duration) (seen mirrorSeen) {
	ctx, cancel := context.WithTimeout(ctx, mirrorPatience)
	defer cancel()
	seen.MirrorState, seen.err = q.MirrorState(ctx, t, limit)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && seen.err != nil {
		seen.err = errNoMirror
	}
	return seen
}

// remotes compares the history with each remote. failed says that one could not be asked.
func (cmd *statusCommand) remotes(ctx context.Context, q *tasks.Service, fetch bool, limit time.Duration) (list []remoteSeen, failed bool, err error) {
	remotes, err := q.Remotes()
	if err != nil {
		return nil, false, err
	}
	for _, r := range remotes {
		if fetch {
			// An unreachable remote does not prevent a fetch from the others.
			err := interrupted(q.FetchFrom(ctx, r))
			if ctx.Err() != nil {
				return nil, false, err
			} else if err != nil {
				cmd.term.warn("%s: %v", r.Name, err)
				failed = true
			}
		}
		one, err := q.CompareRemote(ctx, r, limit)
		if err != nil {
			return nil, false, err
		}
		list = append(list, remoteSeen{r.Name, remote.Shown(r.URL), one})
	}
	return list, failed, nil
}

// A statusJSON is the state of a home as JSON. Its keys are stable.
type statusJSON struct {
	Home string `json:"home"`
	// Size is in bytes, null if adding up the files would have taken too long.
	Size    *int64       `json:"size"`
	Running []statusTask `json:"running"`
	Queued  []statusTask `json:"queued"`
	// More says that further tasks are running or queued.
	More bool `json:"more"`
	// Failed are those of the latest tasks that have failed; Looked is how many were looked at.
	Failed  []statusTask   `json:"failed"`
	Looked  int            `json:"looked"`
	Remotes []remoteStatus `json:"remotes"`
	Spool   spoolStatus    `json:"spool"`
	// AutoSync is the error of the last sync in the background, "" if it succeeded.
	AutoSync string        `json:"auto_sync"`
	Mirror   *mirrorStatus `json:"mirror"` // null: none is set
	Index    indexStatus   `json:"index"`
}

// A statusTask is a task that goes on or has failed.
type statusTask struct {
	UID        record.ID   `json:"uid"`
	Command    string      `json:"command"`
	Host       string      `json:"host"`
	PWD        string      `json:"pwd"`
	Timestamp  record.Time `json:"timestamp"`
	ReturnCode *int        `json:"returncode,omitempty"`
	Job        *statusJob  `json:"job,omitempty"`
	// Waits is why it waits in the queue of the home.
	Waits *tasks.WaitReason `json:"waits,omitempty"`
}

// A statusJob is the job of a task.
type statusJob struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// A remoteStatus compares the history with a remote.
type remoteStatus struct {
	Name      string        `json:"name"`
	URL       string        `json:"url"`
	Known     bool          `json:"known"` // it has been contacted before
	NotPushed tasks.Traffic `json:"not_pushed"`
	NotPulled tasks.Traffic `json:"not_pulled"`
}

// A spoolStatus counts the runs that are not in the history.
type spoolStatus struct {
	Running    int `json:"running"`
	Waiting    int `json:"waiting"`    // they have ended but are not committed, or cannot be read
	Unreadable int `json:"unreadable"` // of those that are waiting
}

// A mirrorStatus is a mirrorStatusJSON, unless the database could not be asked.
type mirrorStatus struct {
	mirrorStatusJSON
	Reached bool   `json:"reached"`
	Error   string `json:"error"` // why it could not be asked
}

// An indexStatus is the state of the search index.
type indexStatus struct {
	Made   bool          `json:"made"` // false: the next search makes it
	Behind tasks.Traffic `json:"behind"`
}

func (st statusSeen) json() statusJSON {
	o := st.overview
	out := statusJSON{Home: st.home, Running: statusTasks(o.Running, nil), Queued: statusTasks(o.Queued, o.Waits), More: o.More, Failed: statusTasks(o.Failed, nil), Looked: o.Looked,
		Remotes: []remoteStatus{}, Spool: spoolStatus{o.Spooled, o.Ended + o.Unreadable, o.Unreadable}, AutoSync: st.autoSync, Index: indexStatus{st.index.Made, st.index.Behind.Traffic}}
	if st.size >= 0 {
		out.Size = &st.size
	}
	for _, r := range st.remotes {
		out.Remotes = append(out.Remotes, remoteStatus{r.name, r.url, r.Known, r.NotPushed.Traffic, r.NotPulled.Traffic})
	}
	if m := st.mirror; m != nil {
		out.Mirror = &mirrorStatus{mirrorStatusJSON{m.database, m.Commit, m.Behind.Traffic, m.Unreadable, m.trouble}, m.err == nil, ""}
		if m.err != nil {
			out.Mirror.Error = said(m.err.Error())
		}
	}
	return out
}

func statusTasks(items []tasks.Item, waits map[record.ID]tasks.WaitReason) []statusTask {
	list := []statusTask{}
	for _, item := range items {
		r := item.Record
		one := statusTask{UID: r.UID, Command: r.Command, Host: r.Data.Host, PWD: r.Data.PWD, Timestamp: r.Data.Timestamp, ReturnCode: r.Code()}
		if j := r.Data.Job; j != nil {
			one.Job = &statusJob{j.ID, j.State, j.Reason}
		}
		if why, known := waits[r.UID]; known {
			one.Waits = &why
		}
		list = append(list, one)
	}
	return list
}

// statusPage prints the state of a home for a person.
func (t *terminal) statusPage(st statusSeen) error {
	w := bufio.NewWriter(t.out)
	p := &statusPage{page: t.newPage(w), here: hostname()}
	p.overview(st.overview)
	if len(st.remotes) == 0 {
		p.printf("no remote is set\n")
	}
	for _, r := range st.remotes {
		p.fact(r.name, r.text())
	}
	if st.autoSync != "" {
		p.printf("the last automatic sync failed: %s\n", safe.Line(hereTime(st.autoSync)))
	}
	if st.notice != "" {
		p.printf("the last notice of the queue failed: %s\n", safe.Line(hereTime(st.notice)))
	}
	if st.mirror != nil {
		p.fact("mirror", st.mirror.text())
	}
	p.spool(st.overview)
	p.fact("search index", indexText(st.index))
	p.fact("home", homeText(st))
	return w.Flush()
}
