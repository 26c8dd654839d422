package provenance

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"qme/internal/intime"
	"qme/internal/panics"
	"qme/record"
)

// A Recorded is a file as a run has recorded it.
type Recorded struct {
	Path string // absolute
	Size int64
	// SHA256 is the hash that was recorded, "" if none was; of the first and the last MiB if Partial.
	SHA256  string
	Partial bool
	// At is when the file was as recorded. If it is Partial and has been written to since, nothing
	// tells that its middle is the same; the zero time stands for a file that always may have been.
	At time.Time
}

// A Condition says how a file is now, beside what was recorded of it.
type Condition string

// The conditions of a file.
const (
	Same    Condition = "same"
	Changed Condition = "changed"
	Missing Condition = "missing"
	Unknown Condition = "unknown" // Now.Why says why
)

// A Now is a file as it is now.
type Now struct {
	Condition
	Size int64 // bytes; 0 if it is not there, or no regular file
	// SHA256 is the hash, by the rule of the recorded one, "" if the file was not read: because it was
	// not needed to tell that it has changed, or for the reason in Why.
	SHA256 string
	Why    string
}

// Again looks at files that were recorded, and hashes those of which the size does not tell that they
// have changed; with all, also those. It opens nothing but regular files of which the disk holds a
// block, and not those with the names of secrets. What is not done when the time is over, or ctx ends,
// is Unknown. The result is in the order of the files.
func Again(ctx context.Context, files []Recorded, l Limits, all bool, most time.Duration) []Now {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	found := make([]Now, len(files))
	for i := range found {
		found[i] = Now{Condition: Unknown, Why: "there was no time to look at it"}
	}
	var mu sync.Mutex
	h := newHashing(l)
	stop := context.AfterFunc(ctx, h.cancel)
	defer stop()
	intime.Within(most, func() struct{} {
		var left sync.WaitGroup
		next := make(chan int)
		for range hashers {
			left.Go(func() {
				for i := range next {
					var now Now
					if err := panics.Catch(func() error { now = h.again(files[i], all); return nil }); err != nil {
						now = Now{Condition: Unknown, Why: "a fault of qme"}
					}
					mu.Lock()
					found[i] = now
					mu.Unlock()
				}
			})
		}
		for i := range files {
			if ctx.Err() != nil {
				break
			}
			next <- i
		}
		close(next)
		left.Wait()
		return struct{}{}
	})
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(found)
}

// again looks at one file.
func (h *hashing) again(f Recorded, all bool) Now {
	s, err := stateOf(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return Now{Condition: Missing}
	case err != nil:
		return Now{Condition: Unknown, Why: err.Error()}
	case s == nil:
		return Now{Condition: Changed, Why: "it is no regular file now"}
	}
	now := Now{Condition: Same, Size: s.size}
	differs := s.size != f.Size
	if differs {
		now.Condition = Changed
	}
	switch {
	case differs && !all:
		return now
	case f.SHA256 == "" && !differs:
		now.Condition, now.Why = Unknown, "its hash was not recorded"
		if !all {
			return now
		}
	}
	switch {
	case s.absent:
		now.Why = "the disk holds no block of it"
	case secret(f.Path):
		now.Why = "it is named like a file with secrets"
	default:
		now.SHA256 = h.sum(f.Path, s, f.Partial && s.size > 2*end)
	}
	switch {
	case differs || f.SHA256 == "":
	case now.SHA256 == "":
		now.Condition = Unknown
		if now.Why == "" {
			now.Why = "it could not be read in time, or is being changed"
		}
	case now.SHA256 != f.SHA256:
		now.Condition = Changed
	case f.Partial && s.size > 2*end && time.Unix(s.mtime.Unix()).After(f.At):
		now.Condition, now.Why = Unknown, "only its first and its last MiB were hashed, and it has been written to since"
	}
	return now
}

// Matches returns the regular files that match patterns of declared inputs in a directory now, by the
// names that a list of files has for them. whole is false if there may be more.
func Matches(dir string, patterns []string) (names []string, whole bool) {
	w := Begin(Command{Dir: dir, Declared: Declared{In: patterns}}, Limits{})
	if files := w.Named(); files != nil {
		for _, f := range files.In {
			names = append(names, f.Path)
		}
	}
	return names, !w.Matching().Cut && w.leftOut == 0
}

// ScriptNames returns the files that have the code of a command, as Scripts does, but as its words
// name them, with links, whether they are there or not. Of what is no interpreter it has only what is
// named with its folder. No file is opened.
func ScriptNames(c Command) (list []string) {
	// What was typed must never keep the user from an answer.
	err := panics.Catch(func() error {
		if len(c.Argv) == 0 {
			return nil
		}
		for _, one := range c.calls() {
			path := one.script(c.Dir)
			if path != "" && len(list) < record.MostPrograms && !slices.Contains(list, path) {
				list = append(list, path)
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return list
}

// Installed reports whether a program belongs to an installation, not to the work of a user: it lies in
// a folder of the system, in one of some folders, in a folder for programs, or in one with packages.
func Installed(path string, folders []string) bool {
	if slices.Contains(programFolders, filepath.Base(filepath.Dir(path))) || strings.Contains(path, "/node_modules/") || strings.Contains(path, "/site-packages/") {
		return true
	}
	return slices.ContainsFunc(slices.Concat(systemFolders, folders), func(folder string) bool {
		return folder != "" && strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
	})
}

// programFolders are the names of folders in which installations have their programs.
var programFolders = []string{"bin", "sbin", "libexec", "shims"}
