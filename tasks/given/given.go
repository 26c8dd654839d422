// Package given records the commands that the user of a home has given to qme, and the code of their
// runs, in a file that no remote and no other home writes. docs/format.md specifies it.
//
// The user, the host and the code in a record may be forged; this file records only commands that
// were really given in this home, and the code that it has found for them.
package given

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/afero"

	"qme/internal/regular"
	"qme/record"
)

// Name is the name of the file in the home.
const Name = "given"

// topLevel stands for the parent of a command given by the user.
const topLevel = "-"

// unknownParent stands for a parent that is not a valid task id.
const unknownParent = "?"

// codeMark stands in the place of the parent in a line for the code of a run, and begins what is
// hashed for it, as no executor can.
const (
	codeMark   = "="
	codePrefix = "\x00code"
)

// timeLayout has a fixed width and is in UTC.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// digestSize is how many bytes of the SHA-256 are stored.
const digestSize = 16

// These marks begin the patterns of declared files, and the parameters, in a digest, as no argument can.
const inMark, outMark, paramMark = "\x00in=", "\x00out=", "\x00param="

// A Line is one command given by the user, for the first time or again.
type Line struct {
	At time.Time // the run's timestamp
	// Within is the id of the task whose command gave this one, from the variable QME_TASK; ""
	// for a user at top level.
	Within string
	ID     record.ID
	User   int    // numeric user id
	Digest string // of the command, see Digest
}

// Digest returns a hash that identifies a command. It covers the executor, the directory, the
// arguments, the patterns of declared files and the parameters, and nothing else of the record.
func Digest(rec *record.Record) string {
	words := append([]string{rec.Executor, rec.Data.PWD}, rec.Data.Cmd...)
	if d := rec.Data.Declared; d != nil {
		for _, pattern := range d.In {
			words = append(words, inMark+pattern)
		}
		for _, pattern := range d.Out {
			words = append(words, outMark+pattern)
		}
	}
	for _, p := range rec.Data.Params {
		words = append(words, paramMark+p.Name+"="+p.Value)
	}
	for i, w := range words {
		words[i] = strings.ToValidUTF8(w, "\uFFFD") // as in the record
	}
	return digest(words)
}

// digest returns the hash of a list of strings, or of lists of them.
func digest(words any) string {
	b, err := json.Marshal(words)
	if err != nil {
		panic(err) // cannot happen: strings can be encoded
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:digestSize])
}

// codeDigest returns a hash that identifies the code of a run: all of its record that says which
// state of which repositories it was, and on which machine they lie.
func codeDigest(rec *record.Record) string {
	d := rec.Data
	words := []string{codePrefix, string(d.RunID), d.User, d.Host, d.PWD, d.Parts[record.PartPatch].SHA256, d.Parts[record.PartCodePatch].SHA256}
	for _, git := range []*record.Git{d.Git, d.Code} {
		if git == nil {
			git = &record.Git{}
		}
		dirty := ""
		if git.Dirty != nil {
			dirty = strconv.FormatBool(*git.Dirty)
		}
		words = append(words, git.Path, git.Commit, dirty)
	}
	return digest(words)
}

// Of returns the line for a run that begins.
func Of(rec *record.Record, within string) Line {
	return Line{At: rec.Data.Timestamp.Time, Within: within, ID: rec.UID, User: os.Getuid(), Digest: Digest(rec)}
}

// A File is the file of a home. It is safe for use by any number of processes.
type File struct{ lineFile }

// New returns the file at a path (usually HOME/given). It is created when first written.
func New(fsys afero.Fs, path string) *File { return &File{lineFile{fsys, path}} }

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// parent returns the parent of a command as written in a line. within comes from the
// environment and may be any text.
func parent(within string) string {
	if within == "" {
		return topLevel
	}
	if _, err := record.ParseID(within); err != nil {
		return unknownParent
	}
	return within
}

func (l Line) String() string {
	return fmt.Sprintf("%s %s %s", l.At.UTC().Format(timeLayout), parent(l.Within), l.what())
}

// what returns the part of a line that identifies a command.
func (l Line) what() string { return fmt.Sprintf("%s %d %s", l.ID, l.User, l.Digest) }

// Add appends lines in one write, without a flush. The newline of each comes first, so that a line
// that was cut off (by a kill, or a full disk) does not damage the next one.
func (f *File) Add(lines ...Line) error {
	var b []byte
	for _, l := range lines {
		b = append(append(b, '\n'), l.String()...)
	}
	return f.add(b)
}

// AddCode appends a line for the code of a run of this home, as its record has it in the history.
func (f *File) AddCode(rec *record.Record) error {
	return f.add(fmt.Appendf(nil, "\n%s %s %s", rec.Data.Timestamp.UTC().Format(timeLayout), codeMark, codeLine(rec).what()))
}

func codeLine(rec *record.Record) Line {
	return Line{ID: rec.UID, User: os.Getuid(), Digest: codeDigest(rec)}
}

// parse parses a line. It returns false if the line is cut off or damaged.
func parse(text string) (Line, bool) {
	w := strings.Split(text, " ")
	if len(w) != 5 || len(w[4]) != 2*digestSize {
		return Line{}, false
	}
	at, err := time.Parse(timeLayout, w[0])
	id, iderr := record.ParseID(w[2])
	user, uerr := strconv.Atoi(w[3])
	_, herr := hex.DecodeString(w[4])
	if errors.Join(err, iderr, uerr, herr) != nil {
		return Line{}, false
	}
	l := Line{At: at, Within: w[1], ID: id, User: user, Digest: w[4]}
	if l.Within == topLevel {
		l.Within = ""
	}
	return l, true
}

// Lines yields the lines that this user gave within a task ("" is top level), newest first. It
// reads the file from its end. A missing file has no lines.
func (f *File) Lines(within string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		user, want := os.Getuid(), []byte(parent(within)+" ")
		for text, err := range f.backwards() {
			if err != nil {
				yield(Line{}, err)
				return
			}
			if _, after, _ := bytes.Cut(text, []byte(" ")); !bytes.HasPrefix(after, want) {
				continue // skip it without parsing
			}
			if l, ok := parse(string(text)); ok && l.User == user && !yield(l, nil) {
				return
			}
		}
	}
}

// Has reports whether this user has given the command of a record: the same id, directory and
// command. A record that was changed elsewhere does not match.
func (f *File) Has(rec *record.Record) (bool, error) {
	l := Of(rec, "")
	if found, err := f.hasNear(l); found || err != nil {
		return found, err
	}
	return f.has(l)
}

// HasCode reports whether a run took place in this home, by this user, and its record still has the
// user, the host, the directory and the code that this home has recorded.
func (f *File) HasCode(rec *record.Record) (bool, error) { return f.has(codeLine(rec)) }

// has reports whether a line has the task, the user and the digest of another one.
func (f *File) has(want Line) (bool, error) {
	needle := []byte(" " + want.what())
	for text, err := range f.backwards() {
		if err != nil {
			return false, err
		}
		if !bytes.HasSuffix(text, needle) {
			continue
		}
		if _, ok := parse(string(text)); ok {
			return true, nil
		}
	}
	return false, nil
}

// near is how far around the place of its time a line is looked for, in bytes.
const near = 32 << 10

// hasNear is has for the lines of about the same time, which are found without reading the others: lines are
// in the order of time, but for those that several processes have added at once.
func (f *File) hasNear(want Line) (found bool, err error) {
	file, err := regular.Open(f.fs, f.path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	at, needle := want.At.UTC().Format(timeLayout), []byte(" "+want.what())
	from, to := int64(0), info.Size()
	for to-from > near {
		middle := from + (to-from)/2
		head := make([]byte, 2*longestLine)
		n, err := file.ReadAt(head, middle)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		_, line, ok := bytes.Cut(head[:n], []byte("\n"))
		if !ok || len(line) < len(at) {
			break
		}
		if string(line[:len(at)]) < at {
			from = middle
		} else {
			to = middle
		}
	}
	begin := max(0, from-near)
	err = linesUpTo(io.NewSectionReader(file, begin, info.Size()-begin), min(to+near, info.Size())-begin, func(text []byte) bool {
		if bytes.HasSuffix(text, needle) {
			_, found = parse(string(text))
		}
		return !found
	})
	return found, err
}

// longestLine is more than the length of a line.
const longestLine = 512

// piece is the size of a read, and theLast that of the first one, at the end of the file. A
// line is much shorter.
const (
	piece   = 64 << 10
	theLast = 2 << 10
)

// backwards yields the lines of the file, last first. Each is valid until the next one.
func (f *File) backwards() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		file, err := regular.Open(f.fs, f.path, os.O_RDONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			yield(nil, err)
			return
		}
		if err := linesUpTo(file, info.Size(), func(text []byte) bool { return yield(text, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// linesUpTo calls each with the lines before an offset, last first, until each returns false.
func linesUpTo(file io.ReaderAt, end int64, each func([]byte) bool) error {
	var rest []byte // the end of a line that begins in the next piece
	buf, size := make([]byte, theLast), int64(theLast)
	for ; end > 0; size = piece {
		if int64(len(buf)) < size {
			buf = make([]byte, size)
		}
		b := buf[:min(end, size)]
		end -= int64(len(b))
		if _, err := file.ReadAt(b, end); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for i := bytes.LastIndexByte(b, '\n'); i >= 0; i = bytes.LastIndexByte(b, '\n') {
			line := b[i+1:]
			if len(rest) > 0 {
				line, rest = append(bytes.Clone(line), rest...), nil
			}
			if !each(line) {
				return nil
			}
			b = b[:i]
		}
		if len(b)+len(rest) > piece {
			rest = nil // not a valid line; bound the memory
			continue
		}
		rest = append(bytes.Clone(b), rest...)
	}
	each(rest)
	return nil
}
