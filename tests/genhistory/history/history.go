// Package history makes task histories for benchmarks and tests of scale: what a
// research group of two might run within three years, from a seed.
package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// Options says what to generate. The zero value of each field but Tasks is of use.
type Options struct {
	Tasks int    // how many
	Seed  uint64 // equal seeds give equal histories, down to the names of the commits
	// Batch is how many runs are written at once, as one pack; 0 means 500. A
	// batch of 1 writes as normal use does, and takes several times as long.
	// The history is the same whatever the batch; only its packs differ.
	Batch int
	// Reruns is the share of the tasks that are run again; 0 means one in twenty.
	Reruns float64
	// Queued has each task wait in the queue before its first run, for some minutes.
	Queued bool
	// Files has each run record three files: chains of ChainSteps tasks make one from the other.
	Files bool
	// Trainings makes all tasks those of one sweep, each with some 10 KB of output in which metrics are.
	Trainings bool
	// Progress, if not nil, is called after each batch from the goroutine that
	// called Generate.
	Progress func(runs, of int)
}

// A Report measures a generated history.
type Report struct {
	Tasks, Commits, Packs int
	Bytes                 int64 // of the folder objects/pack, indexes included
	GCs                   int   // how often packs were joined
}

// BytesPerTask returns the size on disk of one task.
func (r *Report) BytesPerTask() float64 { return float64(r.Bytes) / float64(max(r.Tasks, 1)) }

// identity is fixed, as a commit's name depends on it.
var identity = gitstore.Identity{Name: "Ada Muster", Email: "ada@example.org"}

// Generate makes the history home/tasks.git, and packs it on the way as often as
// normal use does. The error wraps record.ErrConflict when there is one already.
// What is there after another error is of no use.
func Generate(ctx context.Context, home string, opts Options) (*Report, error) {
	if opts.Batch <= 0 {
		opts.Batch = 500
	}
	store, err := create(filepath.Join(home, "tasks.git"))
	if err != nil {
		return nil, err
	}
	rep := new(Report)
	p := newPlanOf(opts.Tasks, opts.Seed, cmp.Or(opts.Reruns, rerunShare), opts.Queued)
	p.trainings = opts.Trainings
	if opts.Files {
		p.chains = p.places()
	}
	err = fill(ctx, store, p, opts, rep)
	if err = errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	return rep, rep.measure(store.Dir())
}

// create makes an empty history.
func create(dir string) (*gitstore.Store, error) {
	if _, err := os.Stat(dir); err == nil {
		return nil, fmt.Errorf("there is a history in %s already; remove it first: %w", dir, record.ErrConflict)
	}
	return gitstore.Open(afero.NewOsFs(), dir, gitstore.Options{NoSync: true, Identity: identity})
}

// fill commits the plan.
func fill(ctx context.Context, store *gitstore.Store, p *plan, opts Options, rep *Report) error {
	rep.Tasks, rep.Commits = len(p.tasks), len(p.runs)+1 // the first commit has no run
	for from := 0; from < len(p.runs); from += opts.Batch {
		to := min(from+opts.Batch, len(p.runs))
		var changes []gitstore.Change
		for _, x := range p.runs[from:to] {
			changes = append(changes, p.change(x))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := store.Commit(ctx, changes...); err != nil {
			return err
		}
		if store.NeedsGC() {
			if _, err := store.GC(ctx, false); err != nil {
				return err
			}
			rep.GCs++
		}
		if opts.Progress != nil {
			opts.Progress(to, len(p.runs))
		}
	}
	return nil
}

// measure counts the packs and their bytes.
func (r *Report) measure(dir string) error {
	files, err := os.ReadDir(filepath.Join(dir, "objects", "pack"))
	if err != nil {
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		r.Bytes += info.Size()
		if strings.HasSuffix(f.Name(), ".pack") {
			r.Packs++
		}
	}
	return nil
}
