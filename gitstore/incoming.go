package gitstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/gitstore/odb"
	"qme/internal/lazy"
	"qme/record"
)

// A Rejected is an invalid file of another history.
type Rejected struct {
	Path string
	Why  error
}

// A RejectedError says that another history was rejected, and why. It is a
// record.ErrInvalid.
type RejectedError struct {
	Files []Rejected
	Own   bool // it is this history that other homes would reject
}

// rejectedShown bounds how many of the files the error names.
const rejectedShown = 5

// Error implements error.
func (e *RejectedError) Error() string {
	var lines []string
	for _, f := range e.Files[:min(len(e.Files), rejectedShown)] {
		lines = append(lines, fmt.Sprintf("%s: %v", f.Path, f.Why))
	}
	if more := len(e.Files) - rejectedShown; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	if e.Own {
		return "this history holds what other homes would refuse: " + strings.Join(lines, "; ")
	}
	return "the other history holds what does not belong in one: " + strings.Join(lines, "; ")
}

// Is makes the error a record.ErrInvalid.
func (e *RejectedError) Is(target error) bool { return target == record.ErrInvalid }

// An incomingCheck checks the objects of a pack that comes.
type incomingCheck struct {
	attributes map[plumbing.Hash]bool // files that git may read for attributes
}

// check is called by Receive for each commit, tree and tag. It rejects objects that no
// history of tasks has, those that git's checks reject, and names that could lead out of
// the folder of a checkout.
func (a *incomingCheck) check(_ plumbing.Hash, t plumbing.ObjectType, b []byte) error {
	switch t {
	case plumbing.CommitObject:
		return fsckCommit(b)
	case plumbing.TreeObject:
		entries, err := fsckTree(b)
		for _, e := range entries {
			if !ordinary(e.name) && isAttributes(e.name) {
				a.attributes[e.hash] = true
			}
		}
		return err
	}
	return fmt.Errorf("no history has one: %w", record.ErrInvalid)
}

// checkAttributes reads the files that could not be read before all of the pack was there.
func (a *incomingCheck) checkAttributes(r objectReader) error {
	for h := range a.attributes {
		_, b, err := r.Get(h)
		if err == nil {
			err = fsckAttributes(b)
		}
		if err != nil {
			return fmt.Errorf("blob %s: %w", h, err)
		}
	}
	return nil
}

// A validation looks at the files of another history, before any of it is merged.
type validation struct {
	s         *Store
	ctx       context.Context
	maxRecord int64
	rejected  []Rejected
	base      objectReader           // of the tree that is known
	seen      map[plumbing.Hash]bool // folders that were looked at
	g         *graph
	shape     bool // look at paths and modes only
}

// validate checks every file of a snapshot that is not in known, the tree of the merge base,
// which base reads: files that are unchanged there are not merged. The error is one that
// stops the validation; the result has the invalid files.
func (s *Store) validate(ctx context.Context, base objectReader, known plumbing.Hash, sn *Snapshot, maxRecord int64) ([]Rejected, error) {
	in := &validation{s: s, base: base, seen: map[plumbing.Hash]bool{}, ctx: ctx, maxRecord: maxRecord, g: newGraph(s.odb)}
	err := in.folder("", known, sn.root)
	return in.rejected, err
}

func (in *validation) reject(p string, format string, args ...any) {
	in.rejected = append(in.rejected, Rejected{p, fmt.Errorf(format, args...)})
}

func (in *validation) folder(at string, known, tree plumbing.Hash) error {
	if known == tree {
		return nil
	}
	if err := in.ctx.Err(); err != nil {
		return err
	}
	// A task belongs into only one folder. Without this a few small trees that name
	// each other again and again would take forever.
	if in.seen[tree] || !folderName(at) {
		in.reject(at, "is not where a task history has a folder: %w", record.ErrInvalid)
		return nil
	}
	in.seen[tree] = true
	olds, err := readTree(in.base, known)
	if err != nil {
		return err
	}
	news, err := readTree(in.s.odb, tree)
	if err != nil {
		return err
	}
	if len(news) == 0 {
		in.reject(at, "is an empty folder: %w", record.ErrInvalid)
		return nil
	}
	if strings.Count(at, "/") == taskFolderDepth {
		return in.taskFolder(at, olds, news)
	}
	for name, e := range zip(olds, news) {
		p := path.Join(at, name)
		switch {
		case e[1].isDir():
			err = in.folder(p, e[0].hash, e[1].hash)
		case e[0] != e[1] && !e[1].hash.IsZero():
			err = in.top(p, e[1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var folderForm = lazy.Regexp(`^tasks(/\d{4}(/\d\d){0,4})?$`)

// folderName reports whether a task history can have a folder of that path; "" is its
// root.
func folderName(at string) bool { return at == "" || folderForm().MatchString(at) }

// top looks at a file above the folders of tasks.
func (in *validation) top(p string, e treeEntry) error {
	switch {
	case p != "README.md" && p != "format":
		in.reject(p, "is not where a task history has a file")
	case e.mode != gitformat.ModeFile:
		in.reject(p, "has the mode %s, not a plain file's", e.mode)
	default:
		_, b, err := in.s.odb.Get(e.hash)
		if err != nil {
			return err
		}
		if len(b) > maxTopFile {
			in.reject(p, "has %d bytes, more than %d", len(b), maxTopFile)
		}
	}
	return nil
}

// maxTopFile bounds README.md and format.
const maxTopFile = 64 << 10

// idOf returns the task to which the file at p belongs. The error wraps
// record.ErrInvalid when no task has a file there.
func idOf(p string) (record.ID, error) {
	stem := strings.TrimSuffix(p, path.Ext(p))
	id, err := record.IDFromPath(stem + recordExt)
	if err != nil {
		return "", err
	}
	if _, known := fileKinds[strings.TrimPrefix(p, stem)]; known {
		return id, nil
	}
	return "", fmt.Errorf("%q: %w path", p, record.ErrInvalid)
}

func (in *validation) size(h plumbing.Hash) (int64, error) {
	r, size, err := in.s.odb.Open(h)
	if err != nil {
		return 0, err
	}
	return size, r.Close()
}

// taskFolder validates a folder of tasks. A task's files are looked at together: when one
// of them is invalid all are rejected.
func (in *validation) taskFolder(at string, olds, news []treeEntry) error {
	before, tasks := byTask(olds), byTask(news)
	for _, stem := range slices.Sorted(maps.Keys(tasks)) {
		files := tasks[stem]
		if maps.Equal(before[stem], files) {
			continue
		}
		why := in.checkPlace(at, stem, files)
		if _, ok := files[recordExt]; !ok && why == nil {
			why = fmt.Errorf("its record is missing: %w", record.ErrInvalid)
		}
		if why == nil && !in.shape {
			why = in.checkTask(record.ID(stem), files)
		}
		if why != nil && !isInvalid(why) {
			return why
		}
		for _, ext := range slices.Sorted(maps.Keys(files)) {
			if why != nil {
				in.reject(path.Join(at, stem+ext), "%w", why)
			}
		}
	}
	return nil
}

// isInvalid reports whether an error is about a task that is invalid in every home: to
// leave it out clears it, also for the others after a push. A task that is over a limit of
// ours, or could not be read here, is not.
func isInvalid(err error) bool {
	if errors.Is(err, odb.ErrTooLarge) {
		return false
	}
	return errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrNotFound)
}

func (in *validation) checkPlace(at, stem string, files taskFiles) error {
	for ext, e := range files {
		if id, err := idOf(path.Join(at, stem+ext)); err != nil || string(id) != stem {
			return fmt.Errorf("is not where a task history has a file: %w", record.ErrInvalid)
		}
		if e.mode != gitformat.ModeFile {
			return fmt.Errorf("has the mode %s, not a plain file's: %w", e.mode, record.ErrInvalid)
		}
	}
	return nil
}

// checkTask checks the content of a task's files.
func (in *validation) checkTask(id record.ID, files taskFiles) error {
	e := files[recordExt]
	rec, err := readRecord(in.s.odb, id, e.hash, func(b []byte) (*record.Record, error) {
		if in.maxRecord > 0 && int64(len(b)) > in.maxRecord {
			return nil, odb.NewLimitError(LimitRecord, int64(len(b)), in.maxRecord, "its record has")
		}
		return record.Decode(b)
	})
	if err != nil {
		return err
	}
	if rec.Data.Status == record.Running {
		return fmt.Errorf("its run has not ended: %w", record.ErrInvalid)
	}
	if rec.IsQueued() {
		return fmt.Errorf("it waits in the queue of another home: %w", record.ErrInvalid)
	}
	if err := in.checkPrevious(rec); err != nil {
		return err
	}
	for _, name := range record.StreamNames {
		if err := in.checkStream(rec, name, files[extOf(name)]); err != nil {
			return err
		}
	}
	for _, name := range record.PartNames {
		if err := in.checkPart(rec, name, files[extOf(name)]); err != nil {
			return err
		}
	}
	if e, ok := files[notesExt]; ok {
		if err := in.checkNotes(id, e.hash); err != nil {
			return err
		}
	}
	if e, ok := files[runsExt]; ok {
		return in.checkRuns(id, e.hash)
	}
	return nil
}

func (in *validation) checkPart(rec *record.Record, name record.PartName, e treeEntry) error {
	if !rec.Data.Parts.Shared(name) {
		if e.hash.IsZero() {
			return nil
		}
		return fmt.Errorf("its record knows of no file .%s: %w", name, record.ErrInvalid)
	}
	part := rec.Data.Parts[name]
	return in.checkFile(e, string(name), part.Size, func() error { return in.checkSum(e.hash, string(name), part.SHA256) })
}

// checkPrevious checks that the run before can be found.
func (in *validation) checkPrevious(rec *record.Record) error {
	previous := rec.Data.Previous
	if previous == "" {
		return nil
	}
	if !plumbing.IsHash(previous) {
		return fmt.Errorf("its run before is in %.50q, which is no commit: %w", previous, record.ErrInvalid)
	}
	if err := in.checkRun(rec.UID, plumbing.NewHash(previous)); err != nil {
		return fmt.Errorf("its run before is in %s: %w", previous, err)
	}
	return nil
}

func (in *validation) checkStream(rec *record.Record, name record.StreamName, e treeEntry) error {
	_, stored := name.Of(rec)
	switch {
	case stored == nil && e.hash.IsZero():
		return nil
	case stored == nil:
		return fmt.Errorf("its record knows of no file .%s: %w", name, record.ErrInvalid)
	}
	return in.checkFile(e, string(name), stored.Stored(), func() error {
		switch {
		case stored.Cut == nil:
			return in.checkSum(e.hash, string(name), stored.SHA256)
		case stored.SHA256 != "" && !record.IsSHA256(stored.SHA256):
			return fmt.Errorf("the SHA-256 that its record gives of .%s, %.70q, is none: %w", name, stored.SHA256, record.ErrInvalid)
		}
		return nil
	})
}

// checkFile checks that a file beside the record is there and has the size that the record says,
// and then its content.
func (in *validation) checkFile(e treeEntry, name string, want int64, content func() error) error {
	if e.hash.IsZero() {
		return fmt.Errorf("its file .%s is missing: %w", name, record.ErrInvalid)
	}
	size, err := in.size(e.hash)
	if err != nil {
		return err
	}
	if size != want {
		return fmt.Errorf("its file .%s has %d bytes, the record says %d: %w", name, size, want, record.ErrInvalid)
	}
	return content()
}

// checkSum compares a file that is stored whole with its SHA-256: a difference would
// be damage in every check from then on. The bounds of Receive bound this as well.
func (in *validation) checkSum(h plumbing.Hash, name, want string) error {
	if !record.IsSHA256(want) {
		return fmt.Errorf("the SHA-256 that its record gives of .%s, %.70q, is none: %w", name, want, record.ErrInvalid)
	}
	r, _, err := in.s.odb.Open(h)
	if err != nil {
		return err
	}
	got, err := sha256Of(r)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("its file .%s has not the SHA-256 that the record says: %w", name, record.ErrInvalid)
	}
	return nil
}

// sha256Of reads and closes r, and returns the SHA-256 of its bytes as records have it.
func sha256Of(r io.ReadCloser) (string, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, r)
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, r.Close())
}

// checkRuns checks that each listed commit is there and has the task.
func (in *validation) checkRuns(id record.ID, h plumbing.Hash) error {
	list, err := runsOf(in.s.odb, h)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := in.checkRun(id, c); err != nil {
			return fmt.Errorf("its list of runs names %s: %w", c, err)
		}
	}
	return nil
}

// checkRun checks that a commit has a run of the task. It does not check that the commit is
// of that history, and not just here: that would cost a walk back to it.
func (in *validation) checkRun(id record.ID, c plumbing.Hash) error {
	node, err := in.g.node(c)
	if err != nil {
		return err
	}
	_, err = (&Snapshot{store: in.s, commit: c, root: node.Tree, r: in.s.odb}).Get(id)
	return err
}
