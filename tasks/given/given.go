// Package given keeps which commands the user of a home has given qme to run, in a file
// of the home that no remote and no other home writes to. docs/format.md specifies it.
//
// What a record says of its user and its host is what somebody wrote into it; this file
// says what was done here.
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

// topLevel stands where a command was not given by another one.
const topLevel = "-"

// unknownParent stands where a command was given by one of which nothing is known.
const unknownParent = "?"

// timeLayout is of one width, in UTC.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// digestSize is how many bytes of the SHA-256 are kept.
const digestSize = 16

// A Line is one command as it was given, first or again.
type Line struct {
	At time.Time // the run's timestamp
	// Within is the id of the task whose command gave this one, as in the variable
	// QME_TASK: "" is a user at top level.
	Within string
	ID     record.ID
	User   int    // the number of the user
	Digest string // of what was to be run, see Digest
}

// Digest returns what tells one command from another: a hash of the executor, the folder
// and the arguments. What a record says about itself otherwise is not in it.
func Digest(rec *record.Record) string {
	words := append([]string{rec.Executor, rec.Data.PWD}, rec.Data.Cmd...)
	for i, w := range words {
		words[i] = strings.ToValidUTF8(w, "\uFFFD") // as it is recorded
	}
	b, err := json.Marshal(words)
	if err != nil {
		panic(err) // a list of texts
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:digestSize])
}

// Of returns the line of a run that begins.
func Of(rec *record.Record, within string) Line {
	return Line{At: rec.Data.Timestamp.Time, Within: within, ID: rec.UID, User: os.Getuid(), Digest: Digest(rec)}
}

// A File is the file of a home. Any number of processes may use it.
type File struct {
	fs   afero.Fs
	path string
}

// New returns the file at a path (usually HOME/given), which is made when first written.
func New(fsys afero.Fs, path string) *File { return &File{fsys, path} }

// Path returns where the file is.
func (f *File) Path() string { return f.path }

// parent returns the word for who gave a command. A variable of the environment may hold
// anything.
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

// what is the part of a line by which a command is known again.
func (l Line) what() string { return fmt.Sprintf("%s %d %s", l.ID, l.User, l.Digest) }

// Add appends a line by one write, and does not flush it. The newline goes before it: of
// a line that was cut off (a kill, a full disk) the next one begins all the same.
func (f *File) Add(l Line) error {
	file, err := regular.Open(f.fs, f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte("\n" + l.String()))
	return errors.Join(err, file.Close())
}

// parse reads a line; false for one that is cut off or damaged.
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

// Lines yields the lines that this user gave within a task ("" is at top level), the
// newest first, from the end of the file on. Without a file there are none.
func (f *File) Lines(within string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		user, want := os.Getuid(), []byte(parent(within)+" ")
		for text, err := range f.backwards() {
			if err != nil {
				yield(Line{}, err)
				return
			}
			if _, after, _ := bytes.Cut(text, []byte(" ")); !bytes.HasPrefix(after, want) {
				continue // without reading all of it
			}
			if l, ok := parse(string(text)); ok && l.User == user && !yield(l, nil) {
				return
			}
		}
	}
}

// Has reports whether this user has given what a record would run: under its id, the same
// command in the same folder. A record that was changed elsewhere is another command.
func (f *File) Has(rec *record.Record) (bool, error) {
	want := Of(rec, "")
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

// piece is how much of the file is read at once, after the end, where the newest line is.
// A line is much shorter.
const (
	piece   = 64 << 10
	theLast = 2 << 10
)

// backwards yields the lines of the file, the last first. Each is valid until the next.
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

// linesUpTo calls each with the lines before an offset, the last first, until it is false.
func linesUpTo(file io.ReaderAt, end int64, each func([]byte) bool) error {
	var rest []byte // the end of a line whose beginning is further in front
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
			rest = nil // no line of ours; garbage must not fill the memory
			continue
		}
		rest = append(bytes.Clone(b), rest...)
	}
	each(rest)
	return nil
}
