package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/afero"

	"qme/internal/lazy"
	"qme/internal/lockfile"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/internal/wholefile"
	"qme/record"
)

const (
	stateFile = ".state.json"
	stateLock = ".state.lock"
	stateTime = 5 * time.Second // how long a change waits for that of another process
)

// A State is what the user has set for the queues of a home. docs/format.md specifies its file.
type State struct {
	// Queues has those for which something was set, by name: "default" for the default one.
	Queues map[string]Settings `json:"queues,omitempty"`
	// Paused, if not nil, says that no queue starts tasks.
	Paused *Pause `json:"paused,omitempty"`
	// CPUs and Memory (bytes) narrow what tasks may get together on one machine; 0 for what the machine allows.
	CPUs   int   `json:"cpus,omitempty"`
	Memory int64 `json:"memory,omitempty"`
	// GPUs are those that tasks may get, named as in CUDA_VISIBLE_DEVICES; nil for those that are
	// found, and an empty list for none.
	GPUs []string `json:"gpus"`
}

// Settings are what was set for one queue.
type Settings struct {
	// Slots is how many of its tasks run at once; 0 for the default, 1. Auto has it be half of the
	// processors that tasks may use.
	Slots int  `json:"slots,omitempty"`
	Auto  bool `json:"auto,omitempty"`
	// Paused, if not nil, says that none of its tasks start.
	Paused *Pause `json:"paused,omitempty"`
}

// A Pause says how a queue was paused.
type Pause struct {
	Since record.Time `json:"since"`
	// Running says that what ran was stopped, too, until the queue is resumed.
	Running bool `json:"running,omitempty"`
	// Halted is the task that has paused the queue by its failure; "" if the user did.
	Halted record.ID `json:"halted,omitempty"`
}

// longestState is the greatest size of the file of the state, in bytes. Settings for 10,000 queues take about 2 MiB.
const longestState = 16 << 20

// MostSlots is how many slots a queue may have.
const MostSlots = 10000

// of returns what was set for the queue of a name as entries have it.
func (s *State) of(name string) Settings { return s.Queues[Called(name)] }

// paused returns how a queue is paused, nil if it is not.
func (s *State) paused(name string) *Pause {
	if p := s.of(name).Paused; p != nil && (s.Paused == nil || p.Running || !s.Paused.Running) {
		return p
	}
	return s.Paused
}

// slots returns how many tasks of a queue may run at once on a machine.
func (s *State) slots(name string, m Machine) int {
	set := s.of(name)
	switch {
	case set.Auto:
		return max(1, m.CPUs/2)
	case set.Slots > 0:
		return min(set.Slots, MostSlots) // the file may say anything
	}
	return 1
}

// set changes what is set for a queue.
func (s *State) set(name string, change func(*Settings)) {
	set := s.of(name)
	change(&set)
	if s.Queues == nil {
		s.Queues = map[string]Settings{}
	}
	if s.Queues[Called(name)] = set; set == (Settings{}) {
		delete(s.Queues, Called(name))
	}
}

// State returns the state of the queues. The error wraps record.ErrInvalid if its file is damaged.
func (q *Queue) State() (*State, error) {
	var s State
	b, _, err := regular.ReadBounded(q.file(stateFile), longestState, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &s, nil
	case errors.Is(err, regular.ErrTooLarge):
		err = fmt.Errorf("it has more than %d MiB", longestState>>20)
	case err != nil:
		return nil, cmp.Or(regular.NotFolder(regular.NewFS(), q.Service.Waiting.Dir()), err)
	default:
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w; remove it, and set slots and pauses again", q.file(stateFile), record.ErrInvalid, err)
	}
	return &s, nil
}

// change has change alter the state, one process at a time, and makes it durable.
func (q *Queue) change(ctx context.Context, change func(*State) error) (*State, error) {
	disk := regular.NewFS()
	if err := os.MkdirAll(q.Service.Waiting.Dir(), 0o700); err != nil {
		return nil, cmp.Or(regular.NotFolder(disk, q.Service.Waiting.Dir()), err)
	}
	ctx, cancel := context.WithTimeout(ctx, stateTime)
	defer cancel()
	lock, err := lockfile.Wait(ctx, disk, q.file(stateLock), lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, fmt.Errorf("the state of the queue is %w", record.ErrBusy)
	} else if err != nil {
		return nil, err
	}
	defer lock.Close()
	s, err := q.State()
	if err != nil {
		return nil, err
	}
	if err := change(s); err != nil {
		return nil, err
	}
	return s, q.writeState(disk, s)
}

func (q *Queue) writeState(disk afero.Fs, s *State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := wholefile.ReplaceFlushed(disk, q.file(stateFile), append(b, '\n')); err != nil {
		return fmt.Errorf("slots and pauses stay as they were, since the change could not be stored: %w", err)
	}
	return nil
}

// A SlotsChange is what the user wants of Slots. What is nil stays.
type SlotsChange struct {
	// Slots is a number from 1 to MostSlots, or 0 for "auto".
	Slots *int
	// CPUs and Memory (bytes) narrow what the machine allows; 0 takes that back.
	CPUs   *int
	Memory *int64
	// GPUs are names as in CUDA_VISIBLE_DEVICES; an empty list for none.
	GPUs *[]string
	// FindGPUs takes a list of GPUs back: those that are found count again.
	FindGPUs bool
}

// Slots changes how many tasks of a queue run at once, and what all tasks may get together. It wakes
// the worker. The error wraps record.ErrInvalid if a value makes no sense.
func (q *Queue) Slots(ctx context.Context, name string, c SlotsChange) (*State, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s, err := q.change(ctx, func(s *State) error {
		if c.Slots != nil {
			s.set(name, func(set *Settings) { set.Slots, set.Auto = *c.Slots, *c.Slots == 0 })
		}
		if c.CPUs != nil {
			s.CPUs = *c.CPUs
		}
		if c.Memory != nil {
			s.Memory = *c.Memory
		}
		if c.GPUs != nil {
			s.GPUs = append([]string{}, *c.GPUs...)
		}
		if c.FindGPUs {
			s.GPUs = nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, q.Wake(ctx)
}

func (c *SlotsChange) check() error {
	switch {
	case c.Slots != nil && (*c.Slots < 0 || *c.Slots > MostSlots):
		return fmt.Errorf("%w number of slots: %d; 1 to %d, or auto", record.ErrInvalid, *c.Slots, MostSlots)
	case c.CPUs != nil && *c.CPUs < 0:
		return fmt.Errorf("%w number of processors: %d", record.ErrInvalid, *c.CPUs)
	case c.Memory != nil && *c.Memory < 0:
		return fmt.Errorf("%w size of memory: %d", record.ErrInvalid, *c.Memory)
	case c.GPUs == nil:
		return nil
	}
	for i, g := range *c.GPUs {
		if err := checkGPU(g); err != nil {
			return err
		}
		if slices.Contains((*c.GPUs)[:i], g) {
			return fmt.Errorf("%w list of GPUs: %s is in it twice", record.ErrInvalid, g)
		}
	}
	return nil
}

// gpuName matches what the libraries take for a GPU: its number, or its UUID or the beginning of that.
var gpuName = lazy.Regexp(`^(0|[1-9][0-9]{0,5}|(GPU|MIG)-[0-9A-Za-z_:-]{1,90})$`)

// checkGPU checks the name of a GPU, which becomes a part of a variable and the name of a file.
func checkGPU(name string) error {
	if !gpuName().MatchString(name) {
		return fmt.Errorf("%w name of a GPU: %q; names are as in CUDA_VISIBLE_DEVICES, such as 0 or GPU-8932f937", record.ErrInvalid, safe.Shorten(name, 60))
	}
	return nil
}
