// Package dashboard serves the tasks of a home to a browser and to programs: a REST
// interface (openapi.json), a websocket that sends each change, and the page.
// docs/dashboard.md describes it; the use cases are in package tasks.
//
// A Server consists of parts that depend only on parts further down in this list: gate
// admits requests with the key; socketAPI, listAPI, taskAPI and outputAPI handle them;
// feed and jobs follow the history, the spool and schedulers; table, lastLines, readers
// and searches hold the data shown; hub holds the clients of the websocket.
package dashboard

import (
	"context"
	"iter"
	"time"

	"qme/executor"
	"qme/record"
	"qme/tasks"
	"qme/tasks/live"
	"qme/tasks/spool"
	"qme/tasks/waiting"
)

// A home provides the tasks. It is a *live.Home, or a fake in tests.
type home interface {
	Head() (string, error)
	Latest() (commit string, records iter.Seq[record.Result], err error)
	Differences(ctx context.Context, from, to string) ([]record.Result, error)
	Recover(ctx context.Context) error
	Queue() *waiting.Watch
	Queued(id record.ID) (*record.Record, error)
	Find(ref string, number int) (tasks.Version, error)
	Runs(ref string) iter.Seq2[tasks.Version, error]
	Compare(ref string, a, b int) (*tasks.Comparison, error)
	Search(ctx context.Context, text string, now time.Time) ([]record.ID, error)
	Clear(ctx context.Context, ids []record.ID) (int, error)
	AddNote(ctx context.Context, id record.ID, text string) error
	EditNote(ctx context.Context, id record.ID, note, text string) error
	RemoveNote(ctx context.Context, id record.ID, note string) error
	Tag(ctx context.Context, id record.ID, add, remove []string) error
	Name(ctx context.Context, id record.ID, name string, move bool) error
	Cancel(ctx context.Context, id record.ID, agreed live.Agreement) error
	Rerun(ctx context.Context, id record.ID, agreed live.Agreement) error
	Refresh(ctx context.Context) error
	Actions(rec *record.Record) []executor.Action
	Act(ctx context.Context, id record.ID, r live.Request) error
}

// A runs provides the runs that are not yet in the history. It is a *spool.Spool, or a
// fake in tests.
type runs interface {
	Stamps() (map[record.ID]string, error)
	Get(id record.ID, inline int) (*record.Record, error)
	Written(id record.ID) (stdout, stderr int64, err error)
	Follow(id record.ID, name record.StreamName, from, limit int64) (spool.Piece, error)
}

var (
	_ home = (*live.Home)(nil)
	_ runs = (*spool.Spool)(nil)
)
