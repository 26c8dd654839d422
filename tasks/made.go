package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/provenance"
)

// MostMade is how many runs Made names of a file if no other number is wanted.
const MostMade = 20

// A MadeFile is a file, and what is known of the runs that made it.
type MadeFile struct {
	Path string // absolute, "" for what was read from standard input
	// Content is what is in the file now. Why is the reason if its hashes are not known: among others
	// fs.ErrNotExist, provenance.ErrOffline.
	Content Content
	Why     error
	// ByContent says that the runs wrote what is in the file now. Otherwise they wrote its path.
	ByContent bool
	// Runs are runs that made the file, at most as many as were wanted: those that wrote its content to its
	// path, then the latest. There are Count.
	Runs  []Link
	Count int
}

// MadeOptions are the options of Made.
type MadeOptions struct {
	Whole bool      // hash files of any size whole
	Limit int       // how many runs are named of a file; 0: MostMade
	Stdin io.Reader // what "-" stands for
}

// MadeStdin is the name of a file that stands for standard input.
const MadeStdin = "-"

// Made finds the runs that made a file: those that wrote exactly its content, wherever it was moved or
// copied since; where there are none, those that wrote its path. The error is about the file if it wraps
// provenance.ErrNotListed, otherwise ends the command.
func (q *Service) Made(ctx context.Context, l *Links, file string, o MadeOptions) (*MadeFile, error) {
	if o.Limit == 0 {
		o.Limit = MostMade
	}
	m := new(MadeFile)
	w := Wanted{}
	if file == MadeStdin {
		c, err := provenance.LookAt(ctx, o.Stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		m.Content = Content(c)
	} else {
		var err error
		if m.Path, err = filepath.Abs(file); err != nil {
			return nil, err
		}
		w.Paths = namesOfFile(m.Path)
		if err := q.hashMade(ctx, m, o.Whole); err != nil {
			return nil, err
		}
	}
	w.Content = m.Content
	err := l.made(ctx, m, w, o.Limit)
	if err == nil && len(m.Runs) == 0 && m.Content.SHA256 == "" && m.Content.Ends != "" {
		// Its ends are those of no file; one that was hashed whole has no hash of them.
		if err = q.hashMade(ctx, m, true); err == nil {
			w.Content = m.Content
			err = l.made(ctx, m, w, o.Limit)
		}
	}
	if err == nil && !m.ByContent {
		err = l.wrote(ctx, m, w, o.Limit)
	}
	return m, err
}

// hashMade hashes a file.
func (q *Service) hashMade(ctx context.Context, m *MadeFile, whole bool) error {
	limits := q.Settings.Hashes
	limits.All = whole
	if q.ReadOnly {
		limits.Cache = ""
	}
	progress, done := q.progress("MiB of the file hashed")
	defer done()
	show := func(bytes int64) {
		if progress != nil {
			progress(int(bytes >> 20))
		}
	}
	c, err := provenance.Look(ctx, m.Path, limits, show)
	switch {
	case errors.Is(err, provenance.ErrNotListed):
		return notListed(m.Path, err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	m.Content, m.Why = Content(c), err
	return nil
}

// notListed says what a path is that no record lists.
func notListed(path string, err error) error {
	what := err.Error()
	if info, serr := os.Stat(path); serr == nil && info.IsDir() {
		what = "it is a directory"
	}
	return &NotListedError{path, what}
}

// A NotListedError says that a path is nothing that records list. It is a provenance.ErrNotListed.
type NotListedError struct {
	Path string
	What string // it is
}

// Error implements error.
func (e *NotListedError) Error() string {
	return fmt.Sprintf("%s: %s, and records list regular files alone", e.Path, e.What)
}

// Is makes the error a provenance.ErrNotListed.
func (e *NotListedError) Is(target error) bool { return target == provenance.ErrNotListed }

// namesOfFile returns the names that a record may have for a file, its absolute path first: records have
// what the command line named, or the kernel's name.
func namesOfFile(path string) []string {
	list := names(filepath.Clean(path))
	if real, err := filepath.EvalSymlinks(path); err == nil && !slices.Contains(list, real) {
		list = append(list, real)
	}
	for i, name := range list {
		list[i] = strings.ToValidUTF8(name, "\uFFFD")
	}
	return list
}

// made looks for the runs that wrote the content.
func (l *Links) made(ctx context.Context, m *MadeFile, w Wanted, limit int) (err error) {
	if m.Runs, err = l.Made(ctx, w, Choice{Limit: limit}); err != nil || len(m.Runs) == 0 {
		return err
	}
	m.ByContent, m.Count = true, len(m.Runs)
	if len(m.Runs) == limit {
		m.Count, err = l.CountMade(ctx, w.Content)
		m.Count = max(m.Count, len(m.Runs))
	}
	if err != nil {
		return err
	}
	// A run that wrote the path later, and whose record has no hash, may have made it as well.
	later, err := l.Wrote(ctx, w, Choice{Limit: 1})
	if len(later) == 1 && later[0].Match == SameUnknown && !slices.ContainsFunc(m.Runs, func(k Link) bool {
		return k.SamePath && !k.Run.Record.Data.Timestamp.Before(later[0].Run.Record.Data.Timestamp.Time)
	}) {
		m.Runs = append(m.Runs, later[0])
		m.Count++
	}
	return err
}

// wrote looks for the runs that wrote the path.
func (l *Links) wrote(ctx context.Context, m *MadeFile, w Wanted, limit int) (err error) {
	if m.Runs, err = l.Wrote(ctx, w, Choice{Limit: limit}); err != nil {
		return err
	}
	m.Count = len(m.Runs)
	if len(m.Runs) == limit {
		m.Count, err = l.CountWrote(ctx, w.Paths)
		m.Count = max(m.Count, len(m.Runs))
	}
	return err
}

// Gone reports whether there is no such file.
func (m *MadeFile) Gone() bool { return errors.Is(m.Why, fs.ErrNotExist) }
