package waiting

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"

	"qme/internal/wholefile"
	"qme/record"
)

// Environment returns the environment in which a waiting task was added, as NAME=value. Errors are
// those of Entry.
func (f *Folder) Environment(id record.ID) ([]string, error) { return f.EnvironmentIn(f.path(id), id) }

// EnvironmentIn is Environment for a folder that Claim has moved to dir.
func (f *Folder) EnvironmentIn(dir string, id record.ID) ([]string, error) {
	b, err := f.read(dir, envFile, id)
	if err != nil {
		return nil, err
	}
	var env []string
	for kv := range bytes.SplitSeq(b, []byte{0}) {
		if len(kv) > 0 {
			env = append(env, string(kv))
		}
	}
	return env, nil
}

// An environment is one that entries are added with.
type environment struct {
	content []byte
	digest  string // the name of the content
}

func newEnvironment(env []string) environment {
	var b bytes.Buffer
	for _, kv := range env {
		b.WriteString(kv)
		b.WriteByte(0)
	}
	sum := sha256.Sum256(b.Bytes())
	return environment{b.Bytes(), hex.EncodeToString(sum[:])}
}

// keepEnvironment stores an environment in an entry, once for all entries with the same.
//
// The file of an entry is a hard link, so that each entry keeps the content as long as it needs it, and
// the number of links says when none does.
func (f *Folder) keepEnvironment(dir string, env environment) error {
	folder, own := filepath.Join(f.dir, envFolder), filepath.Join(dir, envFile)
	if err := f.fs.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	common := filepath.Join(folder, env.digest)
	if f.sameSize(common, len(env.content)) && wholefile.Link(f.fs, common, own) == nil {
		return nil
	}
	if err := wholefile.ReplaceFlushed(f.fs, own, env.content); err != nil {
		return err
	}
	// The next entry finds it there. Without links each entry has a file of its own.
	_ = wholefile.Link(f.fs, own, common)
	return nil
}

// sameSize reports whether a file has a size. A power cut may have left an empty one.
func (f *Folder) sameSize(path string, size int) bool {
	info, err := f.fs.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == int64(size)
}

// dropEnvironment removes a common environment that no entry has any more. A process that links it at
// this moment keeps its own link.
func (f *Folder) dropEnvironment(digest string) error {
	if len(digest) != 2*sha256.Size || bytes.Trim([]byte(digest), "0123456789abcdef") != nil {
		return nil // damaged
	}
	path := filepath.Join(f.dir, envFolder, digest)
	info, err := f.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if !onlyName(info) {
		return nil
	}
	if err := f.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
