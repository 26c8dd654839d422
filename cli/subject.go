package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"qme/record"
	"qme/tasks"
)

// A subject is what an argument names that may be a task or a file: one of the two.
type subject struct {
	task *tasks.Version
	file string // an absolute path
}

// namedBy finds out what an argument names. What it can mean as a task comes first, in the order of
// Find: the beginning of an id, a name that was given in this home, one from elsewhere. If there is no
// such task, and none that was cleared, it is a path that exists. A text with a slash is only a path.
func namedBy(q *tasks.Service, arg string) (subject, error) {
	var err error
	if !strings.ContainsRune(arg, filepath.Separator) {
		var v tasks.Version
		if v, err = q.Find(arg); err == nil {
			return subject{task: &v}, nil
		}
		var cleared *tasks.ClearedError
		if errors.As(err, &cleared) || !errors.Is(err, record.ErrNotFound) && !errors.Is(err, tasks.ErrReference) || arg == "" {
			return subject{}, err
		}
	}
	_, serr := os.Lstat(arg)
	switch {
	case serr == nil:
		path, perr := filepath.Abs(arg)
		return subject{file: path}, perr
	case err == nil && errors.Is(serr, fs.ErrNotExist):
		return subject{}, fmt.Errorf("there is no file %q, and a task has no slash in its name: %w", arg, record.ErrNotFound)
	case err == nil:
		return subject{}, serr
	case errors.Is(serr, fs.ErrNotExist) && !strings.HasPrefix(arg, "@"):
		return subject{}, fmt.Errorf("%w; there is no such file either", err)
	}
	return subject{}, err
}
