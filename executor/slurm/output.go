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

	"qme/record"
)

// Output implements executor.Tracker. Of an array it is the files of the elements one
// behind the other, each under a line "==> FILE <==", as tail(1) prints several.
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
	return open(path, job.ID, standing{job.State, job.Reason, job.Nodes, job.Final})
}

func isArray(job *record.Job) bool {
	return len(job.Elements) > 0 && strings.Contains(job.Elements[0].ID, "_")
}

// A standing is how far a job, or an element of one, has come.
type standing struct {
	state, reason, nodes string
	final                bool
}

// open opens an output file. The error wraps record.ErrNotYet when it is not there.
func open(path, id string, at standing) (io.ReadCloser, error) {
	switch {
	case path == "" && at.state == "":
		return nil, fmt.Errorf("where job %s prints is not known, for Slurm has not been asked (\"qme refresh\" does): %w", id, record.ErrNotYet)
	case path == "" && word(at.state) == "PENDING":
		return nil, at.missing("its output file", id)
	case path == "":
		return nil, fmt.Errorf("where job %s prints is not known: name the file with --out or --err: %w", id, record.ErrNotYet)
	case !filepath.IsAbs(path):
		return nil, fmt.Errorf("output file %q is not an absolute path: %w", path, record.ErrInvalid)
	}
	f, err := openFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, at.missing(path, id)
	}
	return f, err
}

// missing says why a file is not there.
func (at standing) missing(file, id string) error {
	why := "job " + id + " is " + at.state
	if at.reason != "" {
		why += " (" + at.reason + ")"
	}
	switch {
	case at.final:
		why += ", so the file was removed, or lies on another machine"
	case at.nodes != "":
		why += ", so the file may lie on " + at.nodes + " alone, or comes with its first output"
	}
	return fmt.Errorf("%s is not here: %s: %w", file, why, record.ErrNotYet)
}

// openFile opens a regular file, or the place where all vanishes: other things might
// never end.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		// A network file system may not have noticed: looking at the folder makes it.
		if dir, derr := os.Open(filepath.Dir(path)); derr == nil {
			_, _ = dir.Readdirnames(1)
			_ = dir.Close()
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && path != os.DevNull {
		return nil, fmt.Errorf("%s is not a plain file: %w", path, record.ErrInvalid)
	}
	return os.Open(path)
}

// openElements opens the files of all elements that have started.
func openElements(job *record.Job, name record.StreamName) (io.ReadCloser, error) {
	s := &serial{}
	apart := false
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
		at := standing{el.State, el.Reason, el.Nodes, el.Final}
		s.files = append(s.files, file{path, func() (io.ReadCloser, error) { return open(path, el.ID, at) }})
	}
	switch {
	case !apart:
		return nil, nil
	case len(s.files) == 0 && !job.Final:
		return nil, standing{job.State, job.Reason, job.Nodes, job.Final}.missing("output of an element", job.ID)
	}
	return s, nil
}

type file struct {
	name string
	open func() (io.ReadCloser, error)
}

// A serial reads files one behind the other, each opened when it is due. What could not
// be read is its last error.
type serial struct {
	files  []file
	now    io.ReadCloser
	header *strings.Reader
	begun  bool
	failed []error
}

// Read implements io.Reader.
func (s *serial) Read(p []byte) (int, error) {
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

func (s *serial) next() {
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
func (s *serial) Close() error {
	s.files = nil
	if s.now == nil {
		return nil
	}
	return s.now.Close()
}
