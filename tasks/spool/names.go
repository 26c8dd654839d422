package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/afero"

	"qme/record"
)

// namesFile is the file of an entry with the files that its run names, to which other runs add.
const namesFile = "names"

// mostNames is the size in bytes from which on nothing is added to the names of another run.
const mostNames = 1 << 20

// A Name is a file that a run names, for other runs of the home.
type Name struct {
	Key   string // identifies the file: 32 hexadecimal digits, since no path is stored
	State string // identifies what it was when the run began: 16 hexadecimal digits, "" if it was not there
	To    bool   // the run writes to it
}

// An Other is a file that another run names, or did, which was alive at the same time.
type Other struct {
	Name
	ID  record.ID
	Out bool // that run has said that the file is an output of it
}

// The words that begin the lines of a namesFile. A line is WORD ID KEY STATE, with "-" for what there
// is none of. Without an id it is of the run itself.
const (
	wordName = "name" // the run names a file
	wordTo   = "to"   // the run writes to a file
	wordAll  = "all"  // the run is told of all files, since it looks for outputs by patterns
	wordOut  = "out"  // the run has ended, and the file is an output of it
	wordNot  = "not"  // the run has ended, and the file is none
)

type namesLine struct {
	word string
	id   record.ID
	Name
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (l namesLine) String() string {
	return fmt.Sprintf("%s %s %s %s\n", l.word, orNone(string(l.id)), orNone(l.Key), orNone(l.State))
}

// parseNames reads lines. What is none of them, such as one that was cut off, is left out.
func parseNames(b []byte) (lines []namesLine) {
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) != 4 || !strings.HasSuffix(line, "\n") {
			continue
		}
		for i, f := range fields {
			if f == "-" {
				fields[i] = ""
			}
		}
		l := namesLine{fields[0], record.ID(fields[1]), Name{Key: fields[2], State: fields[3], To: fields[0] == wordTo}}
		if _, err := record.ParseID(fields[1]); err == nil || fields[1] == "" {
			lines = append(lines, l)
		}
	}
	return lines
}

// own returns the names of the run itself, and whether it is told of all files.
func own(lines []namesLine) (names []Name, all bool) {
	for _, l := range lines {
		switch {
		case l.id != "":
		case l.word == wordAll:
			all = true
		default:
			names = append(names, l.Name)
		}
	}
	return names, all
}

// common returns those of the names that another run is told of.
func common(names, others []Name, all bool) []Name {
	known := map[string]bool{}
	for _, o := range others {
		known[o.Key] = true
	}
	var list []Name
	for _, n := range names {
		if all || known[n.Key] {
			list = append(list, n)
		}
	}
	return list
}

// said returns the lines with which a run tells of names; all says that it is told of all files.
func said(id record.ID, names []Name, all bool) []byte {
	var b bytes.Buffer
	if all {
		b.WriteString(namesLine{word: wordAll, id: id}.String())
	}
	for _, n := range names {
		word := wordName
		if n.To {
			word = wordTo
		}
		b.WriteString(namesLine{word, id, n}.String())
	}
	return b.Bytes()
}

// Share tells the other runs that are alive which files the run names, and has them tell this one,
// before the command starts. So each of two runs that are alive at the same time knows of the other,
// also if that is killed later. all says that the run is to be told of files that it does not name.
func (e *Entry) Share(names []Name, all bool) error {
	f, err := e.fs.OpenFile(filepath.Join(e.dir, namesFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(said("", names, all))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// Only now: of two runs that begin at once, at least the later one finds the other.
	ids, err := e.s.IDs()
	errs := []error{err}
	for _, id := range ids {
		if id != e.id {
			errs = append(errs, e.meet(id, names, all))
		}
	}
	return errors.Join(errs...)
}

// meet has this run and another one know of the files that both name, if that is alive.
func (e *Entry) meet(id record.ID, names []Name, all bool) error {
	dir := filepath.Join(e.s.dir, string(id))
	lines, err := readNames(e.fs, dir)
	if err != nil || len(lines) == 0 {
		return err
	}
	theirs, theirAll := own(lines)
	mine := common(names, theirs, theirAll)
	theirs = common(theirs, names, all)
	if len(mine)+len(theirs) == 0 && !all && !theirAll {
		return nil
	}
	if alive, err := e.s.Running(id); err != nil || !alive || e.s.over(dir, id) {
		if vanished(err) {
			err = nil
		}
		return err
	}
	return errors.Join(addNames(e.fs, e.dir, said(id, theirs, theirAll)), addNames(e.fs, dir, said(e.id, mine, all)))
}

// Others returns the files of other runs that were alive at the same time as the run, as far as it names
// them, too. A run that has ended is among them only with its outputs.
func (e *Entry) Others() ([]Other, error) {
	lines, err := readNames(e.fs, e.dir)
	if err != nil {
		return nil, err
	}
	type key struct{ id, name string }
	at, others := map[key]int{}, []Other{}
	for _, l := range lines {
		if l.id == "" || l.word == wordAll {
			continue
		}
		k := key{string(l.id), l.Key}
		i, known := at[k]
		if !known {
			i = len(others)
			at[k], others = i, append(others, Other{Name: l.Name, ID: l.id})
		}
		o := &others[i]
		switch {
		case l.word == wordOut:
			o.Out = true
		case l.word == wordTo: // a further run of the task
			o.To = true
		case l.word == wordNot && !o.Out:
			delete(at, k)
			o.ID = "" // none
		}
	}
	list := others[:0]
	for _, o := range others {
		if o.ID != "" {
			list = append(list, o)
		}
	}
	return list, nil
}

// Names returns the files that the run itself names, as it has told them to Share; nil if it has not.
func (e *Entry) Names() ([]Name, error) {
	lines, err := readNames(e.fs, e.dir)
	names, _ := own(lines)
	return names, err
}

// Tell tells the other runs that were alive at the same time, if there are any, which files are
// outputs of the run, by their keys, when it has ended.
func (e *Entry) Tell(written func() map[string]bool) error {
	lines, err := readNames(e.fs, e.dir)
	if err != nil || !slices.ContainsFunc(lines, func(l namesLine) bool { return l.id != "" }) {
		return err
	}
	outs := written()
	mine, _ := own(lines)
	theirs, all := map[record.ID][]Name{}, map[record.ID]bool{}
	for _, l := range lines {
		if l.id != "" {
			theirs[l.id] = append(theirs[l.id], l.Name)
			all[l.id] = all[l.id] || l.word == wordAll
		}
	}
	var errs []error
	for id, names := range theirs {
		var b bytes.Buffer
		told := map[string]bool{}
		for _, n := range common(mine, names, all[id]) {
			word := wordNot
			if outs[n.Key] {
				word = wordOut
			}
			told[n.Key] = true
			b.WriteString(namesLine{word, e.id, Name{Key: n.Key}}.String())
		}
		for key := range outs {
			if all[id] && !told[key] && outs[key] {
				b.WriteString(namesLine{wordOut, e.id, Name{Key: key}}.String())
			}
		}
		errs = append(errs, addNames(e.fs, filepath.Join(e.s.dir, string(id)), b.Bytes()))
	}
	return errors.Join(errs...)
}

// readNames reads the lines of an entry, as far as they are there by now.
func readNames(fsys afero.Fs, dir string) ([]namesLine, error) {
	f, err := openIn(fsys, dir, namesFile, os.O_RDONLY)
	if vanished(err) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 2*mostNames))
	return parseNames(b), errors.Join(err, f.Close())
}

// addNames adds lines to the names of an entry, if it is still there and names files. One write at
// the end of a file is not mixed with others.
func addNames(fsys afero.Fs, dir string, lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	f, err := openIn(fsys, dir, namesFile, os.O_WRONLY|os.O_APPEND)
	if vanished(err) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	} else if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < mostNames && info.Mode().IsRegular() {
		_, err = f.Write(lines)
	}
	return errors.Join(err, f.Close())
}
