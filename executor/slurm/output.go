package slurm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"qme/executor"
	"qme/internal/regular"
	"qme/record"
)

// Output implements executor.Tracker. The output of an array is the files of its elements in
// their order, each under a line "==> FILE <==", as tail(1) prints several.
func (e *Executor) Output(_ context.Context, rec *record.Record, name record.StreamName) (io.ReadCloser, error) {
	job := rec.Data.Job
	if isArray(job) {
		return openElements(job, name)
	}
	path, apart := job.StdoutFile, true
	if name == record.JobStderr {
		path, apart = job.StderrFile, job.StderrFile != job.StdoutFile
	}
	if !apart && path != "" {
		return nil, nil
	}
	r, err := open(path, job.ID, progressOf(job))
	if err == nil && job.Fields[openMode] == appending && path != os.DevNull {
		return noted{r, fmt.Errorf("the job appends to %s, which also holds what was there before", path)}, nil
	}
	return r, err
}

// A noted ends with an error about the content that was read.
type noted struct {
	io.ReadCloser
	err error
}

// Read implements io.Reader.
func (n noted) Read(p []byte) (int, error) {
	k, err := n.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		err = n.err
	}
	return k, err
}

func isArray(job *record.Job) bool {
	return len(job.Elements) > 0 && strings.Contains(job.Elements[0].ID, "_")
}

// A progress is how far a job, or an element of one, has come.
type progress struct {
	state, reason, nodes string
	final                bool
	elapsed              float64
	ended                *record.Time
}

func progressOf(job *record.Job) progress {
	return progress{job.State, job.Reason, job.Nodes, job.Final, job.Elapsed, job.Ended}
}

// elementProgress is that of an element; only the end of the whole job is known.
func elementProgress(el record.JobElement, job *record.Job) progress {
	return progress{el.State, el.Reason, el.Nodes, el.Final, el.Elapsed, job.Ended}
}

// ran reports whether it has started, as far as is known.
func (at progress) ran() bool {
	return at.nodes != "" || at.elapsed > 0 || stateWord(at.state) == completed
}

// open opens an output file. The error wraps record.ErrNotYet when it is not there.
func open(path, id string, at progress) (io.ReadCloser, error) {
	switch {
	case path == "" && at.state == "":
		return nil, fmt.Errorf("where job %s prints is not known, for Slurm has not been asked (\"qme refresh\" does): %w", id, record.ErrNotYet)
	case path == "" && (stateWord(at.state) == "PENDING" || at.final && !at.ran()):
		return nil, at.missing("its output file", id)
	case path == "" && at.final:
		return nil, fmt.Errorf("where job %s printed is not known: name the file with --out or --err: %w", id, executor.ErrNoOutput)
	case path == "":
		return nil, fmt.Errorf("where job %s prints is not known: name the file with --out or --err: %w", id, record.ErrNotYet)
	case !filepath.IsAbs(path):
		return nil, fmt.Errorf("output file %q is not an absolute path: %w", path, record.ErrInvalid)
	}
	f, err := openFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, at.missing(path, id)
	}
	if err != nil {
		return nil, err
	}
	if err := at.writtenSince(f, id); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// writtenSince refuses a file that was written long after the job had ended: it is another
// one's output by now. The clocks of machines differ.
func (at progress) writtenSince(f *os.File, id string) error {
	info, err := f.Stat()
	if err != nil || !at.final || at.ended == nil || !info.Mode().IsRegular() || info.ModTime().Before(at.ended.Add(clockSlack)) {
		return err
	}
	return fmt.Errorf("%s was written again at %s, after job %s had ended, and so holds something else: %w", f.Name(), info.ModTime().Format(time.DateTime), id, executor.ErrNoOutput)
}

// missing says why a file is not there. The error wraps record.ErrNotYet while it may come,
// and executor.ErrNoOutput then.
func (at progress) missing(file, id string) error {
	why := "job " + id + " is " + at.state
	if at.reason != "" {
		why += " (" + at.reason + ")"
	}
	kind := record.ErrNotYet
	if at.final {
		kind = executor.ErrNoOutput
	}
	switch {
	case at.final && at.reason == notOpened:
	case at.final && !at.ran():
		why += " and never started"
	case at.final && at.nodes != "":
		why += ", so the file was removed, or lies on a disk of " + at.nodes + " alone"
	case at.final:
		why += ", so the file was removed, or lies on another machine"
	case at.nodes != "":
		why += ", so the file may lie on " + at.nodes + " alone, or comes with its first output"
	}
	return fmt.Errorf("%s is not here: %s: %w", file, why, kind)
}

// openFile is executor.OpenFile, and opens the null device too. The error wraps
// record.ErrInvalid where there is no regular file.
func openFile(path string) (*os.File, error) {
	if path == os.DevNull {
		return os.Open(path)
	}
	f, err := executor.OpenFile(path)
	if errors.Is(err, regular.ErrNot) {
		return nil, fmt.Errorf("%s is not a plain file: %w", path, record.ErrInvalid)
	}
	return f, err
}

// openElements opens the files of all elements that have started.
func openElements(job *record.Job, name record.StreamName) (io.ReadCloser, error) {
	s := &fileSequence{}
	apart := false
	writers := map[string]int{} // by file
	for _, el := range job.Elements {
		path := el.StdoutFile
		if name == record.JobStderr {
			path = el.StderrFile
			if path == el.StdoutFile {
				continue
			}
		}
		apart = true
		if el.Nodes == "" && el.Elapsed == 0 {
			continue // it has not started, or never will
		}
		if writers[path]++; path != "" && path != os.DevNull && writers[path] > 1 {
			if writers[path] == 2 {
				s.failed = append(s.failed, fmt.Errorf("more than one element of job %s prints to %s, which holds of each what the others have left", job.ID, path))
			}
			continue
		}
		at := elementProgress(el, job)
		s.files = append(s.files, file{path, func() (io.ReadCloser, error) { return open(path, el.ID, at) }})
	}
	switch {
	case !apart:
		return nil, nil
	case len(s.files) == 0 && !job.Final:
		return nil, progressOf(job).missing("output of an element", job.ID)
	}
	return s, nil
}

type file struct {
	name string
	open func() (io.ReadCloser, error)
}

// A fileSequence reads files one after another, each opened when it is its turn. It goes on
// after a failure, and ends with all of them.
type fileSequence struct {
	files  []file
	now    io.ReadCloser
	header *strings.Reader
	begun  bool
	failed []error
}

// Read implements io.Reader.
func (s *fileSequence) Read(p []byte) (int, error) {
	for {
		if s.header != nil && s.header.Len() > 0 {
			return s.header.Read(p)
		}
		if s.now != nil {
			n, err := s.now.Read(p)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					s.failed = append(s.failed, err)
				}
				err = s.now.Close()
				s.now = nil
				if err != nil {
					s.failed = append(s.failed, err)
				}
			}
			if n > 0 {
				return n, nil
			}
			continue
		}
		if len(s.files) == 0 {
			if err := errors.Join(s.failed...); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		s.next()
	}
}

func (s *fileSequence) next() {
	f := s.files[0]
	s.files = s.files[1:]
	r, err := f.open()
	if err != nil {
		s.failed = append(s.failed, err)
		return
	}
	gap := ""
	if s.begun {
		gap = "\n"
	}
	s.now, s.begun = r, true
	s.header = strings.NewReader(gap + "==> " + f.name + " <==\n")
}

// Close implements io.Closer.
func (s *fileSequence) Close() error {
	s.files = nil
	if s.now == nil {
		return nil
	}
	return s.now.Close()
}
