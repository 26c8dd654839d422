package query

import (
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"qme/internal/visible"
	"qme/record"
)

// A field is a part of a record that is looked at by itself: a text that is found
// never begins in one and ends in another.
type field string

const (
	anywhere  field = "" // each text field
	command   field = "command"
	message   field = "message"
	output    field = "output"
	errorText field = "error"
	pwd       field = "pwd"
	user      field = "user"
	host      field = "host"
	executor  field = "executor"
	id        field = "id"
	commit    field = "commit"
	branch    field = "branch"
	inFiles   field = "in"
	outFiles  field = "out"
	note      field = "note"
	textCount       = 14
)

var (
	// textFields are what a word without a field is looked for in, the shortest first.
	textFields = []field{command, message, note, pwd, user, host, output, errorText}
	withNames  = append([]field{commit, id}, textFields...)
	// gramTexts are those of which an index has grams. The others have few values, or are
	// named by their beginning: there the Keywords say enough.
	gramTexts    = []field{command, message, note, pwd, id, inFiles, outFiles, output, errorText}
	keywordTexts = []field{user, host, executor, commit, branch}
)

// A Doc is what is searched of one run. It is for one goroutine.
type Doc struct {
	Record *record.Record
	// Stream returns what is searched of a stream, see StreamText. It is asked for when it
	// is needed; nil means what the record holds.
	Stream func(record.StreamName) (string, error)
	// Err is the first error of Stream. The stream counts as empty then.
	Err error

	texts map[field]*text
}

// A Texts holds what is searched of a run beside its id, its executor and its files: command,
// message, notes, directory, user, host, git commit and branch, output and error output, as UTF-8.
type Texts [10]string

// Streams is the index of the output in Texts, behind which the error output comes.
const Streams = 8

// Texts returns all that is searched. What cannot be read is in Err then.
func (d *Doc) Texts() Texts {
	return Texts{d.text(command), d.text(message), d.text(note), d.text(pwd), d.text(user), d.text(host), d.text(commit), d.text(branch), d.text(output), d.text(errorText)}
}

type text struct {
	raw, folded string
	isFolded    bool
	composed    string // raw in form C, "" while that is not known
}

func (d *Doc) get(f field) *text {
	if t := d.texts[f]; t != nil {
		return t
	}
	if d.texts == nil {
		d.texts = make(map[field]*text, textCount)
	}
	t := &text{raw: d.read(f)}
	if !utf8.ValidString(t.raw) {
		t.raw = strings.ToValidUTF8(t.raw, "\ufffd")
	}
	d.texts[f] = t
	return t
}

func (d *Doc) text(f field) string { return d.get(f).raw }

func (d *Doc) folded(f field) string {
	t := d.get(f)
	if !t.isFolded {
		t.folded, t.isFolded = Fold(t.raw), true
	}
	return t.folded
}

// composed returns a text in Unicode's normalization form C.
func (d *Doc) composed(f field) string {
	t := d.get(f)
	if t.composed == "" {
		t.composed = norm.NFC.String(t.raw)
	}
	return t.composed
}

func (d *Doc) read(f field) string {
	r := d.Record
	switch f {
	case command:
		return r.Command
	case message:
		return r.Data.Message
	case note:
		return notesOf(r)
	case pwd:
		return r.Data.PWD
	case user:
		return r.Data.User
	case host:
		return r.Data.Host
	case executor:
		return r.Executor
	case id:
		return string(r.UID)
	case commit:
		if r.Data.Git != nil {
			return r.Data.Git.Commit
		}
	case branch:
		if r.Data.Git != nil {
			return r.Data.Git.Branch
		}
	case inFiles:
		if r.Data.Files != nil {
			return pathsOf(r, r.Data.Files.In)
		}
	case outFiles:
		if r.Data.Files != nil {
			return pathsOf(r, r.Data.Files.Out)
		}
	case output:
		return d.streams(record.Stdout, record.JobStdout)
	case errorText:
		return d.streams(record.Stderr, record.JobStderr)
	}
	return ""
}

// notesOf returns the texts of the notes on a task.
func notesOf(r *record.Record) string {
	if r.Notes == nil {
		return ""
	}
	texts := make([]string, len(r.Notes.Notes))
	for i, n := range r.Notes.Notes {
		texts[i] = n.Text
	}
	return strings.Join(texts, "\n")
}

// pathsOf returns the whole paths of files of a run, one a line.
func pathsOf(r *record.Record, files []record.File) string {
	lines := make([]string, len(files))
	for i, f := range files {
		if lines[i] = f.Path; !path.IsAbs(f.Path) {
			lines[i] = path.Join(r.Data.PWD, f.Path)
		}
	}
	return strings.Join(lines, "\n")
}

// streams returns a command's stream and behind it that of the job that it has started.
func (d *Doc) streams(own, job record.StreamName) string {
	if d.Record.Data.Job == nil {
		return d.stream(own)
	}
	return d.stream(own) + d.stream(job)
}

func (d *Doc) stream(name record.StreamName) string {
	if d.Stream == nil {
		lines, _ := name.Of(d.Record)
		return visible.Text(strings.Join(lines, ""))
	}
	s, err := d.Stream(name)
	if err != nil && d.Err == nil {
		d.Err = err
	}
	return s
}
