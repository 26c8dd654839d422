package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/afero"

	"qme/internal/lazy"
	"qme/internal/wholefile"
	"qme/record"
)

// Usable returns a copy of a record that has only values that may be acted upon: used as a
// path, a program, an option, an argument, or a size. No other code decides this. Records are
// shared, so the history may have been written by anyone:
//
//   - For a run of this home (own is true), Usable takes all values from the note of this home,
//     and from the history only the end of the job.
//   - For any other run, it keeps the scheduler's id of the job, if it has the form of an id,
//     and the state of the job. It drops paths, fields, command, directory and output.
//
// rec is not changed. The error wraps record.ErrInvalid when the note is damaged, or when the
// record of another home has an invalid job id.
func (f *Folder) Usable(rec *record.Record) (usable *record.Record, own bool, err error) {
	note, err := f.Own(rec.UID)
	if err != nil {
		return nil, false, err
	}
	if Started(note, rec) {
		return ownRun(note, rec), true, nil
	}
	usable, err = foreign(rec)
	return usable, false, err
}

// Own returns the latest note of this home on a task, also if its job has ended. It is nil if
// there is none. Errors are those of Get.
func (f *Folder) Own(id record.ID) (*record.Record, error) {
	if note, err := f.Get(id); note != nil || err != nil {
		return note, err
	}
	if note, err := f.read(f.endedPath(id), id); note != nil || err != nil {
		return note, err
	}
	return f.read(f.lastPath(id), id)
}

// Started reports whether a note of this home describes the same run and the same job as a
// record.
func Started(note, rec *record.Record) bool {
	if note == nil || !record.SameRun(note, rec) || note.Data.PWD != rec.Data.PWD || !slices.Equal(note.Data.Cmd, rec.Data.Cmd) {
		return false
	}
	job, mine := rec.Data.Job, note.Data.Job
	if mine == nil {
		// After a crash between the end of the command and the note of its job, the record is
		// from the spool and has no answer of a scheduler.
		return job == nil || job.Checked == nil
	}
	return job == nil || mine.ID == job.ID && mine.Cluster == job.Cluster
}

// ownRun returns the run of a note, with its end from the history.
func ownRun(note, rec *record.Record) *record.Record {
	own := *note
	if note.Data.ReturnCode == nil { // noted when the command began
		own.Data.Status, own.Data.ReturnCode, own.Data.Finished = rec.Data.Status, rec.Data.ReturnCode, rec.Data.Finished
		own.Data.Output, own.Data.Error = rec.Data.Output, rec.Data.Error
	}
	own.Data.Job = Trusted(note, rec)
	if mine := note.Data.Job; mine != nil {
		own.Data.Job.Nodes, own.Data.Job.Reason = mine.Nodes, mine.Reason
	}
	return &own
}

// Trusted returns the noted job of a run of this home, with its states and its end from the
// history. It is nil if no job is noted.
func Trusted(note, rec *record.Record) *record.Job {
	if note.Data.Job == nil {
		return nil
	}
	job := *note.Data.Job
	if told := rec.Data.Job; told != nil {
		job.History, job.Extra = told.History, told.Extra
		if told.Final {
			settle(&job, told)
		}
	}
	return &job
}

// settle copies into job how it ended, as recorded by another home. Paths and names stay those
// of the note.
func settle(job, told *record.Job) {
	where := *job
	*job = *told
	job.Fields, job.StdoutFile, job.StderrFile = where.Fields, where.StdoutFile, where.StderrFile
	job.Name, job.Partition = where.Name, where.Partition
	job.ReturnCode = code(told.ReturnCode)
	job.Elements = slices.Clone(told.Elements)
	for i := range job.Elements {
		el := &job.Elements[i]
		el.StdoutFile, el.StderrFile = "", ""
		if at := slices.IndexFunc(where.Elements, func(e record.JobElement) bool { return e.ID == el.ID }); at >= 0 {
			el.StdoutFile, el.StderrFile = where.Elements[at].StdoutFile, where.Elements[at].StderrFile
		}
	}
}

// foreign returns the usable part of a record that this home has no note on.
func foreign(rec *record.Record) (*record.Record, error) {
	left := &record.Record{Executor: rec.Executor, UID: rec.UID, Data: record.Data{
		Timestamp: rec.Data.Timestamp, Finished: rec.Data.Finished, Status: rec.Data.Status, ReturnCode: code(rec.Data.ReturnCode),
		Run: rec.Data.Run, Cmd: []string{}, Output: []string{}, Error: []string{}}}
	job := rec.Data.Job
	if job == nil {
		return left, nil
	}
	for _, name := range []struct{ what, value string }{{"id", job.ID}, {"cluster", job.Cluster}} {
		if !isID(name.value) && (name.what == "id" || name.value != "") {
			return nil, fmt.Errorf("task %s: its %s, %q, is none of a single one, as schedulers give them: %w", rec.UID, name.what, name.value, record.ErrInvalid)
		}
	}
	left.Data.Job = &record.Job{ID: job.ID, Cluster: job.Cluster, State: state(job.State), Final: job.Final, ReturnCode: code(job.ReturnCode),
		Submitted: job.Submitted, Started: job.Started, Ended: job.Ended, Checked: job.Checked, Elements: parts(job.Elements)}
	return left, nil
}

// Limits for values from a record of another home.
const (
	nameMost  = 256     // bytes of an id or a state
	partsMost = 100_000 // elements of an array
)

// isID reports whether text may be the id of one job or the name of one cluster: an ASCII word
// that no shell or scheduler reads as several (a list, range or glob) or as all jobs. The
// brackets of an array may be empty or contain one index. The rule is the same for all
// executors, whatever their sections capture.
func isID(text string) bool {
	return len(text) <= nameMost && idForm().MatchString(text) && !several().MatchString(text)
}

var (
	idForm = lazy.Regexp(`\A[0-9A-Za-z][0-9A-Za-z_.+:/@#=-]*(?:\[[0-9]*\][0-9A-Za-z_.+:/@#=-]*)?\z`)
	// several matches the words for all jobs, a number that is zero, and two numbers that form
	// a range.
	several = lazy.Regexp(`(?i)\A(?:all|any|each|every|0+(?:[^0-9a-z].*)?)\z|(?:\A|[^0-9a-z-])[0-9]+(?:-|:|\.\.)[0-9]+(?:[^0-9a-z-]|\z)`)
)

// isElement reports whether text may be the id of a part of a job, or of several waiting parts,
// which Slurm lists as one: 12_[1-50].
func isElement(text string) bool {
	job, list, _ := strings.Cut(text, "_[")
	return isID(job) && isName(text) && strings.Trim(list, "0123456789,:%-]") == ""
}

// isName reports whether text is one word and not an option.
func isName(text string) bool {
	return text != "" && len(text) <= nameMost && text[0] != '-' && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

func state(text string) string {
	if isName(strings.ReplaceAll(text, " ", "_")) {
		return text
	}
	return ""
}

// code returns rc if it is a possible exit code, 0 to 255, else nil.
func code(rc *int) *int {
	if rc == nil || *rc < 0 || *rc > 255 {
		return nil
	}
	return rc
}

func parts(elements []record.JobElement) []record.JobElement {
	var left []record.JobElement
	for _, el := range elements[:min(len(elements), partsMost)] {
		if isElement(el.ID) {
			left = append(left, record.JobElement{ID: el.ID, State: state(el.State), Final: el.Final, ReturnCode: code(el.ReturnCode)})
		}
	}
	return left
}

// endedName is the folder with the notes of tasks whose job has ended, or that have none. The
// name cannot be a task id.
const endedName = "ended"

func (f *Folder) endedPath(id record.ID) string {
	return filepath.Join(f.dir, endedName, string(id)+".json")
}

// lastName is the folder with the notes of tasks whose job has ended recently. They are needed
// only to know that the job belongs to this home if it is started again. The name cannot be a
// task id.
const lastName = "last"

// lastFor is how long these notes are kept. Schedulers forget an ended job after some minutes,
// and then cannot start it again.
const lastFor = 6 * time.Hour

func (f *Folder) lastPath(id record.ID) string {
	return filepath.Join(f.dir, lastName, string(id)+".json")
}

// KeepForNow is Keep for a few hours, in which the job of the run may be started again.
func (f *Folder) KeepForNow(rec *record.Record) error {
	b, err := encode(rec, true)
	if err != nil {
		return err
	}
	if err := f.fs.MkdirAll(filepath.Join(f.dir, lastName), 0o700); err != nil {
		return err
	}
	return errors.Join(f.dropLast(), wholefile.ReplaceFlushed(f.fs, f.lastPath(rec.UID), b))
}

// dropLast removes expired notes, once per process.
func (f *Folder) dropLast() error {
	if f.dropped.Swap(true) {
		return nil
	}
	entries, err := afero.ReadDir(f.fs, filepath.Join(f.dir, lastName))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		name, note := strings.CutSuffix(e.Name(), ".json")
		if _, err := record.ParseID(name); !note || err != nil || time.Since(e.ModTime()) < lastFor {
			continue
		}
		if err := f.fs.Remove(filepath.Join(f.dir, lastName, e.Name())); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Keep notes a run of this home that has no open job, for later actions on it.
func (f *Folder) Keep(rec *record.Record) error {
	b, err := encode(rec, true)
	if err != nil {
		return err
	}
	if err := f.fs.MkdirAll(filepath.Join(f.dir, endedName), 0o700); err != nil {
		return err
	}
	return wholefile.ReplaceFlushed(f.fs, f.endedPath(rec.UID), b)
}

// Forget removes the notes of tasks that have no open job.
func (f *Folder) Forget(ids []record.ID) error {
	return errors.Join(f.forget(endedName, ids), f.forget(lastName, ids))
}

func (f *Folder) forget(folder string, ids []record.ID) error {
	entries, err := afero.ReadDir(f.fs, filepath.Join(f.dir, folder))
	if errors.Is(err, fs.ErrNotExist) || len(entries) == 0 {
		return nil
	} else if err != nil {
		return err
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.Name()] = true
	}
	var errs []error
	for _, id := range ids {
		if name := string(id) + ".json"; there[name] {
			if err := f.fs.Remove(filepath.Join(f.dir, folder, name)); !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// writtenName is the folder that lists, for each file that several jobs may print to, the tasks
// whose jobs do. The name cannot be a task id.
const writtenName = "written"

// writersMost is how many tasks are noted for a file; older ones are dropped.
const writersMost = 64

func (f *Folder) writtenPath(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(f.dir, writtenName, hex.EncodeToString(sum[:16]))
}

// spellings returns the names under which a file is noted: its path as given, and its present
// target. The path still finds the file when a link was changed; the target finds it when the
// path is spelled differently.
func spellings(path string) []string {
	to := target(path)
	if to == path {
		return []string{path}
	}
	return []string{path, to}
}

// linksMost limits how many dangling links are followed.
const linksMost = 40

// target returns the path of a file without links and dot segments, also for a file that does
// not exist yet, or a dangling link. It does not clean the path first, because the parent of a
// link is the parent of its target.
func target(path string) string {
	for range linksMost {
		if to, err := filepath.EvalSymlinks(path); err == nil {
			return to
		}
		dir, base := filepath.Split(path)
		if dir == "" {
			dir = "."
		}
		folder, err := filepath.EvalSymlinks(dir)
		if err != nil {
			break
		}
		path = filepath.Join(folder, base)
		to, err := os.Readlink(path)
		if err != nil {
			return path
		}
		if !filepath.IsAbs(to) {
			to = folder + string(filepath.Separator) + to
		}
		path = to
	}
	return filepath.Clean(path)
}

// Prints notes the files to which a task's job prints, so that other jobs that print to them
// can be detected. It skips files with the job's number in their name.
func (f *Folder) Prints(rec *record.Record) error {
	for _, path := range Files(rec.Data.Job) {
		for _, name := range spellings(path) {
			if err := f.addWriter(name, rec.UID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Folder) addWriter(name string, id record.ID) error {
	writers, err := f.writers(name)
	if err != nil || slices.Contains(writers, id) {
		return err
	}
	writers = append(writers, id)
	var b strings.Builder
	for _, id := range writers[max(0, len(writers)-writersMost):] {
		b.WriteString(string(id) + "\n")
	}
	if err := f.fs.MkdirAll(filepath.Join(f.dir, writtenName), 0o700); err != nil {
		return err
	}
	return wholefile.ReplaceFlushed(f.fs, f.writtenPath(name), []byte(b.String()))
}

// Writers returns the tasks of this home whose jobs print to a file, also under another
// spelling of its path. Among tasks with the same spelling, the latest comes last.
func (f *Folder) Writers(path string) ([]record.ID, error) {
	var ids []record.ID
	for _, name := range spellings(path) {
		writers, err := f.writers(name)
		if err != nil {
			return nil, err
		}
		for _, id := range writers {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

func (f *Folder) writers(name string) ([]record.ID, error) {
	b, err := afero.ReadFile(f.fs, f.writtenPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var ids []record.ID
	for line := range strings.Lines(string(b)) {
		if id, err := record.ParseID(strings.TrimSpace(line)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Files returns the files to which a job prints and other jobs may print too, each once. It
// skips files with the job's number in their name.
func Files(job *record.Job) []string {
	if job == nil {
		return nil
	}
	var list []string
	add := func(path, id string) {
		number, _, _ := strings.Cut(id, "_")
		if path != "" && path != os.DevNull && !strings.Contains(filepath.Base(path), number) && !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	add(job.StdoutFile, job.ID)
	add(job.StderrFile, job.ID)
	for _, el := range job.Elements {
		add(el.StdoutFile, job.ID)
		add(el.StderrFile, job.ID)
	}
	return list
}
