package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
)

// Files are the files that the command line and the caller's redirections name, as far as that can
// be told without tracing the command, and those that a trace has seen. Unless Complete, a file that
// is missing here may still have been used.
type Files struct {
	// In were there when the run began. Whether the command has read them is not known, except
	// for its standard input.
	In []File `json:"in,omitempty"`
	// Out have come or changed during the run.
	Out []File `json:"out,omitempty"`
	// LeftOut is how many files more there were than are listed in the record. The part PartFiles
	// can have them.
	LeftOut int `json:"left_out,omitempty"`
	// Incomplete says that only what was there when the run began is known, because the run was
	// cut off or the files could not be looked at in time when it ended.
	Incomplete bool `json:"incomplete,omitempty"`
	// Complete says that the run was traced, and nothing was lost: with the part PartFiles and the
	// summary of the trace these are all files that it used.
	Complete bool `json:"complete,omitempty"`
	// Trace says what else is known of a run that was, or should have been, traced; nil for others.
	Trace *Trace `json:"trace,omitempty"`
}

// A Trace is what a trace tells beside the files in the lists.
type Trace struct {
	// Error is why nothing was traced. All else is empty then.
	Error string `json:"error,omitempty"`
	// NotSeen are the kinds of what a trace cannot have seen, at most MostUnseen.
	NotSeen []Unseen `json:"not_seen,omitempty"`
	// Software are the files that belong to programs and libraries, which are in no list, by the
	// folders below which they are, at most MostTrees.
	Software []Tree `json:"software,omitempty"`
	// Temporary is how many files were made that were not there any more at the end.
	Temporary int `json:"temporary,omitempty"`
}

// An Unseen is something that a trace cannot have seen.
type Unseen struct {
	Why   string `json:"why"`
	Count int    `json:"count"`
}

// A Tree sums up the files below a folder that a run has read.
type Tree struct {
	Path string `json:"path"` // absolute
	// Commit is the commit of which the files are, if they are in a working tree of git as they are
	// in HEAD.
	Commit string `json:"commit,omitempty"`
	Files  int    `json:"files"`
	// SHA256 is the hash of a line for each file, in the order of the names: its SHA-256, two blanks,
	// its name relative to Path, and a newline. It is empty if one of the files has no hash.
	SHA256 string `json:"sha256,omitempty"`
}

// Limits of Trace.
const (
	MostUnseen = 20
	MostTrees  = 50
)

func (t *Trace) check() error {
	if t == nil {
		return nil
	}
	if len(t.Error) > longestWhy || len(t.NotSeen) > MostUnseen || len(t.Software) > MostTrees || t.Temporary < 0 {
		return fmt.Errorf("%w trace: it has %d and %d entries, an error of %d bytes and %d temporary files", ErrInvalid, len(t.NotSeen), len(t.Software), len(t.Error), t.Temporary)
	}
	for _, u := range t.NotSeen {
		if u.Why == "" || len(u.Why) > longestWhy || u.Count < 0 {
			return fmt.Errorf("%w trace: what was not seen, %.60q", ErrInvalid, u.Why)
		}
	}
	for _, tree := range t.Software {
		if tree.Path == "" || len(tree.Path) > longestPath || len(tree.Commit) > longestCommit || tree.Files < 0 || tree.SHA256 != "" && !IsSHA256(tree.SHA256) {
			return fmt.Errorf("%w trace: the files below %.60q", ErrInvalid, tree.Path)
		}
	}
	return nil
}

// The longest texts of a Trace, in bytes.
const (
	longestWhy    = 1 << 10
	longestCommit = 100
)

// The grades of evidence of a File, the best first.
const (
	ByTrace    = "trace"    // it was seen when it was opened
	ByStdio    = "stdio"    // it was standard input, output or error
	ByRedirect = "redirect" // a redirection in the command line names it
	ByDeclared = "declared" // the user declares it: qme run --in, --out
	ByOption   = "option"   // the value of an option names it: --in=FILE, if=FILE
	ByWord     = "word"     // a word of the command line names it
)

// A File is a regular file as it was at one end of a run.
type File struct {
	// Path is relative to the directory of the run where it is below that, otherwise absolute.
	// It is for display and comparison; it is never opened.
	Path string `json:"path"`
	Size int64  `json:"size"`
	// SHA256 is the hash of the content, or, if Partial, of the first and the last MiB. It is
	// empty when it was not recorded: not in time, not readable, or changed meanwhile.
	SHA256  string `json:"sha256,omitempty"`
	Partial bool   `json:"partial,omitempty"`
	By      string `json:"by"`
	// Program is the executable that used the file first, if it was traced.
	Program string `json:"program,omitempty"`
	// Offset is where the run's own part of an output begins, to which it was appended.
	Offset int64 `json:"offset,omitempty"`
	// NotKept is why the output is not in PartKept, if outputs were to be kept; otherwise empty.
	NotKept string `json:"not_kept,omitempty"`
	// Shared says that the file is an output of another run of the home, too, which was alive at the
	// same time.
	Shared bool `json:"shared,omitempty"`
}

// The values of File.NotKept.
const (
	NotKeptLarge   = "large"   // it is larger than the setting allows
	NotKeptFull    = "full"    // there is no room in the part
	NotKeptOutput  = "output"  // it was standard output or error, which the record has
	NotKeptOutside = "outside" // it is not below the directory of the run
	NotKeptSecret  = "secret"  // it holds a secret, or is named like a file that does
	NotKeptName    = "name"    // its name is not UTF-8, or masked like that of another file
	NotKeptOffline = "offline" // the disk holds no block of it
	NotKeptChanged = "changed" // it has changed, or could not be read
	NotKeptLate    = "late"    // there was no time
	NotKeptDisk    = "disk"    // the disk of the home was nearly full
)

// PathOf returns the absolute path of a file of the run, by its name alone: it is for display and
// comparison, and never opened. That of a file without a name is "".
func (d *Data) PathOf(f File) string {
	if f.Path == "" || path.IsAbs(f.Path) {
		return f.Path
	}
	return path.Join(d.PWD, f.Path)
}

// Declared are the patterns of files that the user declares for a run, relative to its directory.
type Declared struct {
	In  []string `json:"in,omitempty"`
	Out []string `json:"out,omitempty"`
	// Cut says that not all files were looked at that may match: there were too many, or there was
	// no time.
	Cut bool `json:"cut,omitempty"`
}

// Again returns the patterns for a further run; nil for none.
func (d *Declared) Again() *Declared {
	if d == nil || len(d.In)+len(d.Out) == 0 {
		return nil
	}
	return &Declared{In: d.In, Out: d.Out}
}

// Limits of Declared.
const (
	MostDeclared    = 100     // of each list
	LongestDeclared = 4 << 10 // bytes of a pattern as it is given
)

func (d *Declared) check() error {
	if d == nil {
		return nil
	}
	for _, list := range [][]string{d.In, d.Out} {
		if len(list) > MostDeclared {
			return fmt.Errorf("%w declared files: there are %d patterns, and at most %d are allowed", ErrInvalid, len(list), MostDeclared)
		}
		for _, pattern := range list {
			if pattern == "" || len(pattern) > longestPath {
				return fmt.Errorf("%w declared files: the pattern %.60q", ErrInvalid, pattern)
			}
		}
	}
	return nil
}

// MostFiles limits each list of Files in a record.
const MostFiles = 100

// Short returns f with lists that are short enough for a record, and the content of PartFiles; nil
// if the record has all of f.
func (f *Files) Short() (short *Files, part []byte, err error) {
	if f == nil || len(f.In) <= MostFiles && len(f.Out) <= MostFiles {
		return f, nil, nil
	}
	in, out := min(len(f.In), MostFiles), min(len(f.Out), MostFiles)
	short = &Files{
		In: f.In[:in], Out: f.Out[:out], Incomplete: f.Incomplete, Complete: f.Complete, Trace: f.Trace,
		LeftOut: f.LeftOut + len(f.In) - in + len(f.Out) - out,
	}
	part, err = f.encode()
	return short, part, err
}

// A listedFile is a line of PartFiles.
type listedFile struct {
	List string `json:"list"` // listIn or listOut
	File
}

const listIn, listOut = "in", "out"

// encode returns a line of JSON for each file. A line of its own for each lets git store the lists
// of further runs as small differences.
func (f *Files) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, one := range f.In {
		if err := enc.Encode(listedFile{listIn, one}); err != nil {
			return nil, err
		}
	}
	for _, one := range f.Out {
		if err := enc.Encode(listedFile{listOut, one}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// DecodeFiles reads the content of PartFiles. The error wraps ErrInvalid.
func DecodeFiles(part []byte) (*Files, error) {
	f := new(Files)
	dec := json.NewDecoder(bytes.NewReader(part))
	for {
		var line listedFile
		err := dec.Decode(&line)
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err == nil {
			err = line.check()
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w list of files: %w", ErrInvalid, err)
		case line.List == listIn:
			f.In = append(f.In, line.File)
		case line.List == listOut:
			f.Out = append(f.Out, line.File)
		default:
			return nil, fmt.Errorf("%w list of files: it has a list %.20q", ErrInvalid, line.List)
		}
	}
}

// Whole returns all files of a run: f is what its record has of them, and part the content of its
// PartFiles. The error wraps ErrInvalid.
func (f *Files) Whole(part []byte) (*Files, error) {
	all, err := DecodeFiles(part)
	if err == nil && f != nil {
		all.LeftOut = max(0, f.LeftOut+len(f.In)+len(f.Out)-len(all.In)-len(all.Out))
		all.Incomplete, all.Complete, all.Trace = f.Incomplete, f.Complete, f.Trace
	}
	return all, err
}

func (f *Files) check() error {
	if f == nil {
		return nil
	}
	if f.LeftOut < 0 {
		return fmt.Errorf("%w list of files: %d are left out", ErrInvalid, f.LeftOut)
	}
	if err := f.Trace.check(); err != nil {
		return err
	}
	for _, list := range [][]File{f.In, f.Out} {
		if len(list) > MostFiles {
			return fmt.Errorf("%w list of files: it has %d, and at most %d are allowed", ErrInvalid, len(list), MostFiles)
		}
		for _, one := range list {
			if err := one.check(); err != nil {
				return fmt.Errorf("%w list of files: %w", ErrInvalid, err)
			}
		}
	}
	return nil
}

func (one *File) check() error {
	if one.Path == "" || len(one.Path) > longestPath || len(one.Program) > longestPath || len(one.By) > longestBy || len(one.NotKept) > longestBy || one.Size < 0 || one.Offset < 0 || one.Offset > one.Size || one.SHA256 != "" && !IsSHA256(one.SHA256) {
		return fmt.Errorf("the path, size or hash of %.60q", one.Path)
	}
	return nil
}

// longestPath and longestBy bound the texts of a File.
const (
	longestPath = 16 << 10
	longestBy   = 20
)

// IsSHA256 reports whether s is a SHA-256 as records have it: 64 hexadecimal digits in lower case.
func IsSHA256(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}
