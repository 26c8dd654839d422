package tasks

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"qme/internal/regular"
	"qme/provenance"
	"qme/provenance/aside"
	"qme/provenance/compare"
	"qme/record"
)

// A FileCheck says whether a run has made the same file as its reference.
type FileCheck struct {
	// Path is as in the record.
	Path string `json:"path"`
	// State is one of the states below.
	State string `json:"state"`
	// From and To are the hashes of both, "" where they are not recorded.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Why says more; usually empty.
	Why string `json:"why,omitempty"`
	// Differences are the first that were found in a text, of which the content of both is there.
	Differences []compare.Difference `json:"-"`
	Binary      bool                 `json:"-"`
	// At is where the file is that the check has made, if it is not there any more.
	At string `json:"at,omitempty"`

	path string // to open it
}

// The states of FileCheck.
const (
	FileEqual   = "equal"
	FileDiffers = "differs"
	FileMissing = "missing" // only the reference has made it
	FileNew     = "new"     // only the check has
	FileUnknown = "unknown"
)

// A FilesCheck says which files two runs have made.
type FilesCheck struct {
	Files  []FileCheck
	Masked map[compare.Kind]int // places in files that differ and come from the runs
	// None says that the reference is known to have made no file.
	None bool
	// Incomplete says that not all files of the two runs are known that should be.
	Incomplete bool
	LeftOut    int // how many more outputs the reference had that are not listed
}

func (f *FilesCheck) counts() *record.CheckedFiles {
	if len(f.Files) == 0 {
		return nil
	}
	c := &record.CheckedFiles{}
	for _, one := range f.Files {
		switch one.State {
		case FileEqual:
			c.Equal++
		case FileDiffers:
			c.Differ++
		case FileMissing:
			c.Missing++
		case FileNew:
			c.New++
		default:
			c.Unknown++
		}
	}
	return c
}

// mostHashing is how long the outputs of a check are hashed at most.
const mostHashing = time.Hour

// compareFiles compares the outputs of a check that are files with those of its reference.
func (c *checking) compareFiles(ctx context.Context, r *run, pair *compare.Pair) *FilesCheck {
	made := map[string]record.File{}
	result := &FilesCheck{Masked: map[compare.Kind]int{}}
	now := r.whole
	if now != nil {
		for _, f := range now.Out {
			made[f.Path] = f
		}
	}
	known := c.throughLinks(r.dir, made)
	if was := c.files; was != nil {
		result.LeftOut = was.LeftOut
		result.None = was.Complete && len(was.Out) == 0
		result.Incomplete = was.Incomplete || was.LeftOut > 0 && len(was.Out) > 0 || now != nil && now.Incomplete
		for _, f := range was.Out {
			name := c.inSandbox(f.Path)
			known[name] = true
			if f.By == record.ByStdio {
				continue
			}
			n, there := made[name]
			one := c.compareFile(ctx, r, pair, f, n, there, result.Masked)
			result.Files = append(result.Files, one)
			c.fates[one.path] = map[bool]aside.Do{true: aside.Remove, false: aside.Show}[one.State == FileEqual]
		}
	}
	if now != nil && c.files != nil && c.files.LeftOut == 0 {
		for _, f := range now.Out {
			if !known[f.Path] && f.By != record.ByStdio {
				result.Files = append(result.Files, FileCheck{Path: f.Path, State: FileNew, To: f.SHA256, path: pathIn(r.dir, f.Path)})
			}
		}
	}
	slices.SortStableFunc(result.Files, func(a, b FileCheck) int { return cmp.Compare(a.Path, b.Path) })
	return result
}

// throughLinks adds the files that a check has made by the names of its reference where that has written to
// them through a link: while a file is set aside, its link leads to nothing, so that the trace has the name of
// the link. It returns the names of such links.
func (c *checking) throughLinks(dir string, made map[string]record.File) (links map[string]bool) {
	links = map[string]bool{}
	if c.files == nil {
		return links
	}
	names := map[string]string{} // by path
	inside, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return links
	}
	for _, f := range c.files.Out {
		name := c.inSandbox(f.Path)
		if _, is := made[name]; !is {
			names[pathIn(inside, name)] = name
		}
	}
	if len(names) == 0 {
		return links
	}
	for link, f := range made {
		real, err := filepath.EvalSymlinks(pathIn(inside, link))
		if name, is := names[real]; err == nil && is && link != name {
			made[name], links[link] = f, true
		}
	}
	return links
}

// compareFile compares an output of the reference with that of the check, if there is one.
func (c *checking) compareFile(ctx context.Context, r *run, pair *compare.Pair, was, now record.File, made bool, masked map[compare.Kind]int) FileCheck {
	one := FileCheck{Path: was.Path, From: was.SHA256, To: now.SHA256, path: pathIn(r.dir, c.inSandbox(was.Path))}
	if !made {
		return c.notMade(ctx, r, one, was)
	}
	switch {
	case was.SHA256 == "" || now.SHA256 == "":
		one.State, one.Why = FileUnknown, "its hash is not recorded"
	case was.Partial != now.Partial:
		one.State, one.Why = FileUnknown, "only the first and the last MiB of one of both were hashed"
	case was.SHA256 == now.SHA256 && was.Size == now.Size && !was.Partial:
		one.State = FileEqual
		return one
	case was.SHA256 == now.SHA256 && was.Size == now.Size:
		one.State, one.Why = FileUnknown, "only its first and its last MiB were hashed, which are the same"
	default:
		one.State = FileDiffers
	}
	c.compareContent(ctx, r, pair, &one, was, masked)
	return one
}

// notMade says what it means that the check has not written an output of the reference.
func (c *checking) notMade(ctx context.Context, r *run, one FileCheck, was record.File) FileCheck {
	one.State = FileMissing
	again := provenance.Again(ctx, []provenance.Recorded{{Path: one.path, Size: was.Size, SHA256: was.SHA256, Partial: was.Partial, At: endOf(c.ref.Record)}}, r.q.Settings.Hashes, true, mostHashing)[0]
	switch again.Condition {
	case provenance.Same:
		// Nothing says that the command would have made it.
		one.State, one.To, one.Why = FileUnknown, again.SHA256, "the check has left it as it was, which is as the earlier run had made it"
	case provenance.Changed:
		one.State, one.To, one.Why = FileDiffers, again.SHA256, "it was left as it was before the check, which is not as the reference had made it"
	case provenance.Unknown:
		one.State, one.Why = FileUnknown, again.Why
	case provenance.Missing:
	}
	return one
}

// compareContent compares the content of an output, if that of the reference is still there: in the file that
// was set aside, if this has the recorded hash, or among the outputs that were kept.
func (c *checking) compareContent(ctx context.Context, r *run, pair *compare.Pair, one *FileCheck, was record.File, masked map[compare.Kind]int) {
	if was.SHA256 == "" {
		return
	}
	ref, err := c.content(ctx, r, was)
	if ref == nil && err == nil {
		if one.State == FileDiffers {
			one.Why = "what it was is not there to be compared with, so that nothing is masked"
		}
		return
	}
	var result compare.Result
	if err == nil {
		result, err = compareWith(ctx, pair, ref, one.path)
	}
	switch {
	case err != nil:
		one.Why = fmt.Sprintf("its content could not be compared: %v", err)
	case result.Equal:
		one.State, one.Why = FileEqual, ""
		for kind, n := range result.Masked {
			masked[kind] += n
		}
	default:
		one.State, one.Differences, one.Binary = FileDiffers, result.Differences, result.Binary
		if was.Partial {
			one.Why = ""
		}
	}
}

// content opens what an output of the reference was; nil if that is not there.
func (c *checking) content(ctx context.Context, r *run, was record.File) (io.ReadCloser, error) {
	if path := cmp.Or(c.set.Path(pathIn(r.dir, c.inSandbox(was.Path))), c.original(was)); path != "" {
		again := provenance.Again(ctx, []provenance.Recorded{{Path: path, Size: was.Size, SHA256: was.SHA256, Partial: was.Partial, At: endOf(c.ref.Record)}}, r.q.Settings.Hashes, true, mostHashing)[0]
		if again.Condition == provenance.Same {
			return regular.OpenHere(path, os.O_RDONLY, 0)
		}
	}
	if _, kept := c.ref.Record.Data.Parts[record.PartKept]; !kept || was.NotKept != "" {
		return nil, nil
	}
	part, err := c.ref.Part(record.PartKept)
	switch {
	case errors.Is(err, record.ErrPartElsewhere):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return inTar(part, was)
}

// inTar returns a file of a part with kept outputs; nil if that is not as recorded, or not in it.
func inTar(part []byte, f record.File) (io.ReadCloser, error) {
	files := tar.NewReader(bytes.NewReader(part))
	for {
		header, err := files.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("the part %s: %w", record.PartKept, err)
		case header.Name != f.Path || header.Typeflag != tar.TypeReg || header.Size != f.Size:
			continue
		}
		content, err := io.ReadAll(files) // at most as long as the part
		if err != nil {
			return nil, fmt.Errorf("the part %s: %w", record.PartKept, err)
		}
		if record.NewPart(content).SHA256 != f.SHA256 {
			return nil, nil
		}
		return io.NopCloser(bytes.NewReader(content)), nil
	}
}

// compareWith compares a content, which it closes, with a file. It ends with ctx.
func compareWith(ctx context.Context, pair *compare.Pair, ref io.ReadCloser, now string) (result compare.Result, err error) {
	defer ref.Close()
	f, err := regular.OpenHere(now, os.O_RDONLY, 0)
	if err != nil {
		return result, err
	}
	defer f.Close()
	return pair.Compare(compare.Content{Reader: ref}, compare.Content{Reader: provenance.Until(ctx, f)})
}

// where adds to the files where those are that the check has made.
func (c *Checked) where() {
	if c.Files == nil {
		return
	}
	at := map[string]string{}
	for _, k := range c.Aside.New {
		at[k.Path] = k.At
	}
	for i := range c.Files.Files {
		f := &c.Files.Files[i]
		if f.At == "" {
			f.At = at[f.path]
		}
	}
}
