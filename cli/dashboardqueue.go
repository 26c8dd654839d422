package cli

import (
	"context"

	"qme/queue"
	"qme/record"
	"qme/tasks"
)

// A homeQueue is the queue of a home for a server, safe for concurrent use: each call has use cases of its
// own.
type homeQueue struct {
	home    *home
	service *tasks.Service
}

func (q homeQueue) open() *queue.Queue {
	own := *q.service
	return q.home.queue(&own)
}

// Reasons implements dashboard.Queue.
func (q homeQueue) Reasons(ctx context.Context) (map[record.ID]tasks.WaitReason, error) {
	own := *q.service
	ids, err := own.Waiting.IDs()
	if err != nil {
		return nil, err
	}
	return q.home.waitReasons(&own)(ctx, ids)
}

// Hold implements dashboard.Queue.
func (q homeQueue) Hold(ctx context.Context, id record.ID) error { return q.open().Hold(ctx, id) }

// Release implements dashboard.Queue.
func (q homeQueue) Release(ctx context.Context, id record.ID) error {
	_, err := q.open().Release(ctx, id)
	return err
}
