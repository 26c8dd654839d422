package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"qme/internal/panics"
	"qme/record"
	"qme/tasks"
)

// A Queue tells why tasks wait, and holds and releases them. Its methods are safe for concurrent use. The
// error of Hold and Release wraps record.ErrNotFound if the task does not wait.
type Queue interface {
	Reasons(ctx context.Context) (map[record.ID]tasks.WaitReason, error)
	Hold(ctx context.Context, id record.ID) error
	Release(ctx context.Context, id record.ID) error
}

const (
	// reasonsEvery is the interval in which it is asked why tasks wait, and reasonsSoon that after
	// something has changed. A question that took the time t is followed by none for reasonsRest t.
	reasonsEvery = 3 * time.Second
	reasonsSoon  = 200 * time.Millisecond
	reasonsRest  = 20
)

// reasons asks why tasks wait. It is safe for concurrent use.
type reasons struct {
	queue Queue // nil: that is not known

	mu     sync.Mutex
	asking bool
	asked  time.Time // when the last question was over
	took   time.Duration
	news   bool // something has changed since it began
	error  string
}

// changed notes that the reasons may be others now.
func (r *reasons) changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.news = true
}

// begin reports whether to ask now. Then the caller must call end.
func (r *reasons) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	pause := reasonsEvery
	if r.news {
		pause = reasonsSoon
	}
	if r.queue == nil || r.asking || time.Since(r.asked) < max(pause, reasonsRest*r.took) {
		return false
	}
	r.asking, r.news = true, false
	return true
}

func (r *reasons) end(began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asking, r.asked, r.took = false, time.Now(), time.Since(began)
}

// explainWaiting asks in the background why tasks wait, if it is time to, and broadcasts what is new.
func (f *feed) explainWaiting() {
	if f.table.waits() == 0 || !f.reasons.begin() {
		return
	}
	f.background.start(func(ctx context.Context) {
		defer f.reasons.end(time.Now())
		var why map[record.ID]tasks.WaitReason
		err := panics.Catch(func() (err error) {
			why, err = f.reasons.queue.Reasons(ctx)
			return err
		})
		if err != nil {
			f.reasons.fails(f.background, err)
			return
		}
		f.publish(f.table.explain(why))
	})
}

// fails logs an error that differs from the last one.
func (r *reasons) fails(b *background, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := err.Error(); text != r.error && b.ctx.Err() == nil {
		r.error = text
		b.log("why tasks wait in the queue is not known: %s", text)
	}
}

// waits returns how many tasks wait in the queue.
func (t *table) waits() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.waiting)
}

// explain sets why tasks wait.
func (t *table) explain(why map[record.ID]tasks.WaitReason) *news {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.edit()
	before := map[tasks.WaitReason]*tasks.WaitReason{}
	for _, reason := range t.reasons {
		before[*reason] = reason
	}
	t.reasons = make(map[taskKey]*tasks.WaitReason, len(why))
	for id, reason := range why {
		reason.Text = clip(reason.Text)
		if before[reason] == nil {
			before[reason] = &reason
		}
		t.reasons[keyOf(id)] = before[reason]
	}
	for k, r := range t.waiting {
		if now := *r; now.reason != t.reasons[k] {
			now.reason = t.reasons[k]
			e.pending[k], t.waiting[k] = &now, &now
		}
	}
	return e.apply()
}

// reasonOf returns why a task waits, nil if it does not or that is not known.
func (t *table) reasonOf(id record.ID) *tasks.WaitReason {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if r := t.waiting[keyOf(id)]; r != nil {
		return r.reason
	}
	return nil
}

func (t *taskAPI) hold(w http.ResponseWriter, r *http.Request) error {
	return t.queued(w, r, Queue.Hold)
}

func (t *taskAPI) release(w http.ResponseWriter, r *http.Request) error {
	return t.queued(w, r, Queue.Release)
}

// queued changes a task that waits in the queue.
func (t *taskAPI) queued(w http.ResponseWriter, r *http.Request, do func(Queue, context.Context, record.ID) error) error {
	if r.ContentLength != 0 {
		if err := readBody(w, r, &struct{}{}); err != nil {
			return err
		}
	}
	id, err := wholeID(r.PathValue("id"))
	if err != nil {
		return err
	}
	run, err := t.home.Find(string(id), 0)
	if err != nil {
		return err
	}
	if t.reasons.queue == nil || !run.Record.IsQueued() {
		return fmt.Errorf("task %s does not wait in the queue: %w", id, record.ErrConflict)
	}
	err = do(t.reasons.queue, r.Context(), id)
	if errors.Is(err, record.ErrNotFound) {
		return fmt.Errorf("task %s has started meanwhile: %w", id, record.ErrConflict)
	} else if err != nil {
		return err
	}
	t.reasons.changed()
	return writeJSON(w, r, http.StatusAccepted, map[string]record.ID{"id": id})
}
