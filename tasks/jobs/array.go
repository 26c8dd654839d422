package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

// arraysName is the folder of job arrays. The name cannot be a task id.
const arraysName = "arrays"

// The files in the folder of an array. The others are links to the folders of its tasks, which have the numbers of the elements as
// names.
const (
	arrayTasks  = "tasks" // the ids, one a line; there until all of them are recorded
	arrayLock   = "lock"  // held by the process that starts or records the array
	arrayScript = "script"
	arrayStdout = "stdout"
	arrayStderr = "stderr"
	// arrayName is the file in the folder of a task that names its link.
	arrayName = "array"
)

// An Array is a job array that is being started and recorded. It is locked until Close, if the file system has locks.
type Array struct {
	f     *Folder
	dir   string
	lock  *lockfile.File
	Tasks []record.ID // of the elements, in their order
}

// BeginArray makes the folder of an array with the tasks of its elements: Dir has a link to the folder of each of them. It survives the
// death of this process.
func (f *Folder) BeginArray(tasks []record.ID, script []byte) (a *Array, err error) {
	a = &Array{f: f, dir: filepath.Join(f.dir, arraysName, string(tasks[0])), Tasks: tasks}
	if err := f.fs.MkdirAll(a.dir, 0o700); err != nil {
		return nil, err
	}
	if a.lock, err = lockfile.Open(f.fs, filepath.Join(a.dir, arrayLock), lockfile.Exclusive); err != nil {
		return nil, err
	}
	err = a.fill(script)
	if err != nil {
		return nil, errors.Join(err, a.Abandon())
	}
	return a, nil
}

func (a *Array) fill(script []byte) error {
	linker, ok := a.f.fs.(afero.Linker)
	if !ok {
		return fmt.Errorf("%s: links to folders: %w", a.dir, errors.ErrUnsupported)
	}
	var list strings.Builder
	for i, id := range a.Tasks {
		number := strconv.Itoa(i + 1)
		if err := a.f.fs.MkdirAll(a.f.Path(id), 0o700); err != nil {
			return err
		}
		name := string(a.Tasks[0]) + "/" + number + "\n"
		if err := afero.WriteFile(a.f.fs, filepath.Join(a.f.Path(id), arrayName), []byte(name), 0o600); err != nil {
			return err
		}
		if err := linker.SymlinkIfPossible(filepath.Join("..", "..", string(id)), filepath.Join(a.dir, number)); err != nil {
			return err
		}
		list.WriteString(string(id) + "\n")
	}
	if err := afero.WriteFile(a.f.fs, filepath.Join(a.dir, arrayScript), script, 0o600); err != nil {
		return err
	}
	return wholefile.ReplaceFlushed(a.f.fs, filepath.Join(a.dir, arrayTasks), []byte(list.String()))
}

// ArrayDir returns the folder of an array whose first task is that, before BeginArray makes it.
func (f *Folder) ArrayDir(first record.ID) string {
	return filepath.Join(f.dir, arraysName, string(first))
}

// Script opens the standard input of the command that starts the array.
func (a *Array) Script() (*os.File, error) { return os.Open(filepath.Join(a.dir, arrayScript)) }

// Printed creates the files to which that command prints. They outlive this process, as the command may.
func (a *Array) Printed() (stdout, stderr *os.File, err error) {
	create := func(name string) (*os.File, error) {
		return os.OpenFile(filepath.Join(a.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	}
	if stdout, err = create(arrayStdout); err != nil {
		return nil, nil, err
	}
	if stderr, err = create(arrayStderr); err != nil {
		return nil, nil, errors.Join(err, stdout.Close())
	}
	return stdout, stderr, nil
}

// printedMost bounds what is read of these files, in bytes.
const printedMost = 1 << 20

// Said returns what the command has printed so far, and when it last did.
func (a *Array) Said() (stdout, stderr []byte, at record.Time, err error) {
	read := func(name string) []byte {
		b, info, rerr := regular.ReadBounded(filepath.Join(a.dir, name), printedMost, 0)
		if rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		if info != nil && rerr == nil && info.ModTime().After(at.Time) {
			at = record.Time{Time: info.ModTime()}
		}
		return b
	}
	stdout, stderr = read(arrayStdout), read(arrayStderr)
	return stdout, stderr, at, err
}

// Done removes what was needed to start and record the array. The links stay until the jobs of their tasks have ended.
func (a *Array) Done() error {
	errs := []error{a.f.fs.Remove(filepath.Join(a.dir, arrayTasks))}
	for _, name := range []string{arrayScript, arrayStdout, arrayStderr} {
		if err := a.f.fs.Remove(filepath.Join(a.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, a.f.tidyArray(a.dir), a.Close())
	return errors.Join(errs...)
}

// Abandon removes an array that was not started, with the folders of its tasks.
func (a *Array) Abandon() error {
	errs := []error{a.f.fs.RemoveAll(a.dir)}
	for _, id := range a.Tasks {
		errs = append(errs, a.f.fs.RemoveAll(a.f.Path(id)))
	}
	return errors.Join(append(errs, a.Close())...)
}

// Forget removes the folder of an array alone.
func (a *Array) Forget() error { return errors.Join(a.f.fs.RemoveAll(a.dir), a.Close()) }

// Close leaves the array as it is.
func (a *Array) Close() error { return a.lock.Close() }

// Lock returns the open lock file, for the command that starts the array: it then has the lock as long as it runs, also if this process is
// killed. It is nil where there are no locks.
func (a *Array) Lock() *os.File {
	if file, ok := a.lock.File.(*os.File); ok && a.lock.Locked {
		return file
	}
	return nil
}

// Submitting reports whether a task belongs to an array that is just being started or recorded. Without locks in the file system that is
// not known, and false.
func (f *Folder) Submitting(id record.ID) bool {
	dir, _, ok, err := f.inArray(id)
	if err != nil || !ok {
		return false
	}
	if _, err := f.fs.Stat(filepath.Join(dir, arrayTasks)); err != nil {
		return false
	}
	lock, err := lockfile.Open(f.fs, filepath.Join(dir, arrayLock), lockfile.Shared)
	if err != nil {
		return errors.Is(err, lockfile.ErrHeld)
	}
	_ = lock.Close()
	return false
}

// AnyArray reports whether there may be arrays that LeftArrays returns.
func (f *Folder) AnyArray() bool {
	names, err := afero.Glob(f.fs, filepath.Join(f.dir, arraysName, "*", arrayTasks))
	return err == nil && len(names) > 0
}

// LeftArrays returns the arrays that a process has left before all of their tasks were recorded. The caller has to close each.
// Without locks in the file system there are none, since it cannot be told whether a process is alive.
func (f *Folder) LeftArrays() ([]*Array, error) {
	entries, err := afero.ReadDir(f.fs, filepath.Join(f.dir, arraysName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var left []*Array
	var errs []error
	for _, e := range entries {
		if a, err := f.leftArray(e.Name()); err != nil {
			errs = append(errs, err)
		} else if a != nil {
			left = append(left, a)
		}
	}
	return left, errors.Join(errs...)
}

// leftArray returns an array that no process has, nil for others.
func (f *Folder) leftArray(name string) (*Array, error) {
	a := &Array{f: f, dir: filepath.Join(f.dir, arraysName, name)}
	if _, err := f.fs.Stat(filepath.Join(a.dir, arrayTasks)); err != nil {
		return nil, gone(err)
	}
	var err error
	if a.lock, err = lockfile.Open(f.fs, filepath.Join(a.dir, arrayLock), lockfile.Exclusive); errors.Is(err, lockfile.ErrHeld) {
		return nil, nil
	} else if err != nil {
		return nil, gone(err)
	}
	list, err := afero.ReadFile(f.fs, filepath.Join(a.dir, arrayTasks))
	if err != nil || !a.lock.Locked {
		return nil, errors.Join(gone(err), a.Close())
	}
	for line := range strings.Lines(string(list)) {
		id, err := record.ParseID(strings.TrimSpace(line))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Join(a.dir, arrayTasks), err), a.Close())
		}
		a.Tasks = append(a.Tasks, id)
	}
	return a, nil
}

// gone returns an error, nil for that of a file that is not there, as when another process has done the work.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// inArray returns the folder of the array that a task belongs to, and the name of its link there. ok is false if it belongs to none, or the
// file that says so is damaged.
func (f *Folder) inArray(id record.ID) (dir, number string, ok bool, err error) {
	b, err := afero.ReadFile(f.fs, filepath.Join(f.Path(id), arrayName))
	if err != nil {
		return "", "", false, gone(err)
	}
	first, number, _ := strings.Cut(strings.TrimSpace(string(b)), "/")
	if _, err := record.ParseID(first); err != nil || !isIndex(number) {
		return "", "", false, nil
	}
	return f.ArrayDir(record.ID(first)), number, true, nil
}

// leaveArray removes the link to the folder of a task, and the folder of its array with the last one.
func (f *Folder) leaveArray(id record.ID) error {
	dir, number, ok, err := f.inArray(id)
	if err != nil || !ok {
		return err // if the file was damaged, the link stays
	}
	return errors.Join(gone(f.fs.Remove(filepath.Join(dir, number))), f.tidyArray(dir))
}

func isIndex(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// tidyArray removes the folder of an array that has neither tasks to be recorded nor links.
func (f *Folder) tidyArray(dir string) error {
	d, err := f.fs.Open(dir)
	if err != nil {
		return gone(err)
	}
	names, err := d.Readdirnames(2) // of which one may be the lock
	if cerr := d.Close(); cerr != nil {
		return cerr
	}
	for _, name := range names {
		if name != arrayLock {
			return nil
		}
	}
	if err != nil && len(names) == 0 {
		return nil
	}
	return f.fs.RemoveAll(dir)
}
