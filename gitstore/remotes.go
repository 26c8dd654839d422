package gitstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/gitconfig"
	"qme/internal/lazy"
	"qme/record"
)

// A RemoteURL is a remote of this history, as git's own configuration has it
// (git-remote(1)), so that "qme git fetch" knows it too.
type RemoteURL struct{ Name, URL string }

var remoteName = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// CheckRemoteName says whether name can name a remote. The error wraps
// record.ErrInvalid.
func CheckRemoteName(name string) error {
	if !remoteName().MatchString(name) {
		return fmt.Errorf("%w name of a remote %.80q: letters, digits, _ and - can be in one", record.ErrInvalid, name)
	}
	return nil
}

// Remotes returns the remotes in the order of their names.
func (s *Store) Remotes() ([]RemoteURL, error) {
	b, err := s.configText()
	if err != nil {
		return nil, err
	}
	settings, err := gitconfig.Parse(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", filepath.Join(s.dir, "config"), err, record.ErrInvalid)
	}
	urls := map[string]string{}
	for _, set := range settings {
		if name, ok := set.In("remote", "url"); ok {
			urls[name] = set.Value
		}
	}
	var list []RemoteURL
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		if CheckRemoteName(name) == nil && urls[name] != "" {
			list = append(list, RemoteURL{name, urls[name]})
		}
	}
	return list, nil
}

// SetRemote adds a remote, or changes the URL of one, whose tracked commit is forgotten.
func (s *Store) SetRemote(name, url string) error {
	if err := CheckRemoteName(name); err != nil {
		return err
	}
	remotes, err := s.Remotes()
	if err != nil || slices.Contains(remotes, RemoteURL{name, url}) {
		return err
	}
	section := fmt.Sprintf("[remote %q]\n\turl = %s\n\tfetch = %s\n", name, gitconfig.Quote(url), gitconfig.Quote("+"+branch+":"+trackingRef(name)))
	if err := s.replaceRemote(name, section); err != nil {
		return err
	}
	return s.forgetTracking(name)
}

// RemoveRemote forgets a remote. The error wraps record.ErrNotFound when there is
// none of that name.
func (s *Store) RemoveRemote(name string) error {
	remotes, err := s.Remotes()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(remotes, func(r RemoteURL) bool { return r.Name == name }) {
		return fmt.Errorf("remote %q: %w", name, record.ErrNotFound)
	}
	if err := s.replaceRemote(name, ""); err != nil {
		return err
	}
	return s.forgetTracking(name)
}

// forgetTracking forgets the tracked commit of a remote.
func (s *Store) forgetTracking(name string) error {
	ref := trackingRef(name)
	if _, err := s.packedRef(ref); err == nil {
		if err := s.unpackRef(ref); err != nil {
			return err
		}
	}
	return s.removeIfThere(filepath.Join(s.dir, filepath.FromSlash(ref)))
}

// unpackRef removes a reference from the file in which git has packed it.
func (s *Store) unpackRef(ref string) error {
	return s.replaceFile(context.Background(), "packed-refs", plumbing.ZeroHash, func(b []byte) ([]byte, error) {
		var out bytes.Buffer
		skipping := false
		for line := range strings.Lines(string(b)) {
			_, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			// A line with ^ belongs to the one before (gitrepository-layout(5)).
			if skipping = name == ref || skipping && line[0] == '^'; !skipping {
				out.WriteString(line)
			}
		}
		return out.Bytes(), nil
	})
}

// configText returns the repository's configuration, which may be missing.
func (s *Store) configText() ([]byte, error) {
	b, err := afero.ReadFile(s.fs, filepath.Join(s.dir, "config"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// replaceRemote puts a section of the repository's configuration in place of those of
// a remote. Everything else, comments among it, stays as it is.
func (s *Store) replaceRemote(name, section string) error {
	return s.replaceFile(context.Background(), "config", plumbing.ZeroHash, func(b []byte) ([]byte, error) {
		var out bytes.Buffer
		skipping := false
		for line := range strings.Lines(string(b)) {
			if head := remoteHeader().FindStringSubmatch(line); head != nil {
				skipping = head[1] == name
			} else if strings.HasPrefix(strings.TrimSpace(line), "[") {
				skipping = false
			}
			if !skipping {
				out.WriteString(line)
			}
		}
		if out.Len() > 0 && !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
			out.WriteByte('\n')
		}
		out.WriteString(section)
		return out.Bytes(), nil
	})
}

// remoteHeader begins the section of a remote (git-config(1), "Syntax").
var remoteHeader = lazy.Regexp(`(?i)^\s*\[\s*remote\s+"([^"]*)"\s*\]`)

// replaceFile changes a file of the repository, all of it or nothing, under git's
// own lock (lockfile.h in git's sources). It waits for Options.LockTimeout at most. mark
// begins the result of edit: by it a lock that a crash has left is recognised as ours. Where
// it is zero the lock's age has to do.
func (s *Store) replaceFile(ctx context.Context, name string, mark plumbing.Hash, edit func([]byte) ([]byte, error)) error {
	q, err := s.lockQueue(ctx)
	if err != nil {
		return err
	}
	defer q.unlock()
	if err := q.announce(mark); err != nil {
		return err
	}
	defer q.rollback()
	path := filepath.Join(s.dir, name)
	lock := path + ".lock"
	f, err := s.createLock(ctx, q, lock)
	if err != nil {
		return err
	}
	err = s.rewrite(f, path, edit)
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.fs.Rename(lock, path)
	}
	if err != nil {
		return errors.Join(err, s.removeIfThere(lock))
	}
	return nil
}

func (s *Store) rewrite(f afero.File, path string, edit func([]byte) ([]byte, error)) error {
	old, err := afero.ReadFile(s.fs, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := edit(old)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if s.opts.NoSync {
		return nil
	}
	return f.Sync()
}
