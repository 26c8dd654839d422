package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"qme/internal/regular"
	"qme/record"
	"qme/tasks/waiting"
)

// gpuFolder has a folder for each place with a file for each GPU that a try has: its content names the try.
const gpuFolder = ".gpus"

// A gpuClaim is the content of such a file.
type gpuClaim struct {
	task record.ID
	run  record.RunID
}

func (c gpuClaim) String() string { return string(c.task) + " " + string(c.run) + "\n" }

func readClaim(path string) (c gpuClaim, err error) {
	b, err := regular.ReadHere(path)
	if err != nil {
		return c, err
	}
	task, run, _ := strings.Cut(strings.TrimSuffix(string(b), "\n"), " ")
	id, err := record.ParseID(task)
	if err != nil {
		return gpuClaim{}, nil // its process was killed while it wrote
	}
	return gpuClaim{id, record.RunID(run)}, nil
}

// The limits of waiting for a GPU, which the run before may have for another moment.
const (
	gpuWait  = 3 * time.Second
	gpuPause = 20 * time.Millisecond
	// brokenAge is the age from which the file of a process that takes a GPU from a run that is gone is left over.
	brokenAge = time.Minute
)

// takeGPUs gives a try as many GPUs of a place as it asks for. Each is its own, whatever other processes do, also on file
// systems without locks. The error wraps record.ErrBusy if there are not as many free ones.
func (q *Queue) takeGPUs(id record.ID, e *waiting.Entry, place string, all []string) ([]string, error) {
	if e.GPUs == 0 {
		return nil, nil
	}
	dir := q.gpuFolder(place)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	me := gpuClaim{id, e.Run}
	for until := time.Now().Add(gpuWait); ; time.Sleep(gpuPause) {
		var mine []string
		for _, name := range all {
			if len(mine) == e.GPUs {
				break
			}
			ok, err := q.takeGPU(filepath.Join(dir, name), me)
			if err != nil {
				return nil, errors.Join(err, q.dropGPUs(me, place, mine))
			}
			if ok {
				mine = append(mine, name)
			}
		}
		if len(mine) == e.GPUs {
			return mine, nil
		}
		if err := q.dropGPUs(me, place, mine); err != nil {
			return nil, err
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("%d GPUs are asked for, and %d are free: %w", e.GPUs, len(mine), record.ErrBusy)
		}
	}
}

func (q *Queue) gpuFolder(place string) string {
	return filepath.Join(q.file(gpuFolder), ParsePlace(place).fileName())
}

// takeGPU takes one GPU if no other try has it.
func (q *Queue) takeGPU(path string, me gpuClaim) (bool, error) {
	for range 2 {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = f.WriteString(me.String())
			return err == nil, errors.Join(err, f.Close())
		}
		if !errors.Is(err, fs.ErrExist) {
			return false, err
		}
		c, err := readClaim(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return false, err
		case c == me: // before its process was killed
			return true, nil
		case c == gpuClaim{} && !older(path, brokenAge): // it is being written
			return false, nil
		case c != gpuClaim{} && q.alive(c):
			return false, nil
		}
		if ok, err := breakClaim(path, c); !ok || err != nil {
			return false, err
		}
	}
	return false, nil
}

// alive reports whether a try is in the spool.
func (q *Queue) alive(c gpuClaim) bool {
	dir := filepath.Join(q.Service.Spool.Dir(), string(c.task))
	e, err := q.Service.Waiting.EntryIn(filepath.Join(dir, "queued"), c.task)
	switch {
	case err == nil:
		return e.Run == c.run
	case errors.Is(err, record.ErrNotFound):
		return false
	}
	return there(dir)
}

func older(path string, age time.Duration) bool {
	info, err := os.Lstat(path)
	return err == nil && time.Since(info.ModTime()) > age
}

// breakClaim removes the claim of a try that is gone. No claim can take its place before, since only the process that has
// made a file with the name of that try removes it.
func breakClaim(path string, gone gpuClaim) (bool, error) {
	mark := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-"+string(gone.run))
	f, err := os.OpenFile(mark, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if older(mark, brokenAge) {
			err = os.Remove(mark)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return false, err // the next look
		}
		return false, nil
	} else if err != nil {
		return false, err
	}
	err = f.Close()
	if now, rerr := readClaim(path); rerr == nil && now == gone {
		err = errors.Join(err, os.Remove(path))
	}
	return err == nil, errors.Join(err, os.Remove(mark))
}

// dropGPUs gives GPUs back.
func (q *Queue) dropGPUs(me gpuClaim, place string, gpus []string) error {
	var errs []error
	for _, name := range gpus {
		path := filepath.Join(q.gpuFolder(place), name)
		if c, err := readClaim(path); err != nil || c != me {
			continue
		}
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}

// gpuEnv returns the variables that tell a command which GPUs it may use.
func gpuEnv(gpus []string, amd bool) []string {
	if len(gpus) == 0 {
		return nil
	}
	numbers := make([]string, len(gpus))
	for i := range numbers {
		numbers[i] = strconv.Itoa(i)
	}
	names, relative := strings.Join(gpus, ","), strings.Join(numbers, ",")
	cuda := names
	if amd {
		cuda = relative // HIP reads it, too
	}
	// ROCR leaves these GPUs, and HIP counts what is left.
	return []string{"CUDA_VISIBLE_DEVICES=" + cuda, "ROCR_VISIBLE_DEVICES=" + names, "HIP_VISIBLE_DEVICES=" + relative}
}
