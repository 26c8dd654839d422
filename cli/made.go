package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v3"

	"qme/index"
	"qme/index/query"
	"qme/internal/safe"
	"qme/provenance"
	"qme/record"
	"qme/tasks"
)

type madeCommand struct {
	term *terminal
	home *home
}

// madeOptions are the flags of made.
type madeOptions struct {
	json, whole bool
	limit       int
}

func (cmd *madeCommand) command() *cli.Command {
	var o madeOptions
	return &cli.Command{
		Name:      "made",
		Usage:     "name the runs that made a file, by its content, wherever it was moved or copied",
		ArgsUsage: "FILE…",
		Description: `A file is hashed, and the runs are listed that have recorded exactly this content as
one that they wrote: those that wrote it to this path, then the latest. If there are
none, those are listed that wrote the path last, with what is known of what they
wrote. Each line below a run says how the record knows of the file: trace, stdio,
redirect, declared, option or word. A file that is not there any more is looked for by
its path, and - is what standard input holds.

Of a file that is larger than the setting run.hash the first and the last MiB are
compared, as records have them, unless that finds nothing; --hash compares all of it.

It ends with 3 if no run is known to have made one of the files.

Examples:
  qme made figure.png
  qme made results/*.csv --json
  ssh server cat figure.png | qme made -`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print one object per line and file as JSON", Destination: &o.json},
			&cli.BoolFlag{Name: "hash", Usage: "hash large files whole", Destination: &o.whole},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` runs of each file", Value: tasks.MostMade, Destination: &o.limit},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			files := c.Args().Slice()
			switch err := atMost(c, len(files)); {
			case err != nil:
				return err
			case len(files) == 0:
				return &usageError{msg: "made takes a file", help: c.FullName() + " --help"}
			case o.limit < 1:
				return &usageError{msg: fmt.Sprintf("-n takes a number from 1, not %d", o.limit), help: c.FullName() + " --help"}
			}
			q, err := cmd.home.history(ctx)
			if err != nil {
				return err
			}
			return cmd.run(ctx, q, files, o)
		},
	}
}

// run names the runs that made each of some files.
func (cmd *madeCommand) run(ctx context.Context, q *tasks.Service, files []string, o madeOptions) (err error) {
	links, err := q.Links(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, links.Close()) }()
	var missing []*tasks.MadeFile
	var wrong error // of a file
	err = cmd.term.listing(o.json, func(w *bufio.Writer) error {
		out := &madeOutput{cmd.term.newTable(w), links, q.Settings.Host, here()}
		for _, name := range files {
			m, err := q.Made(ctx, links, name, tasks.MadeOptions{Whole: o.whole, Limit: o.limit, Stdin: cmd.term.in})
			switch {
			case errors.Is(err, provenance.ErrNotListed):
				wrong = cmd.term.another(wrong, err)
				continue
			case err != nil:
				return err
			case len(m.Runs) == 0:
				missing = append(missing, m)
			}
			if o.json {
				err = writeJSON(w, madeJSONOf(m))
			} else if len(m.Runs) > 0 {
				err = out.file(name, m)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return cmd.ended(ctx, links, missing, wrong)
}

// another keeps the last error of several, and prints those before it.
func (t *terminal) another(last, err error) error {
	if last != nil {
		t.fail(last.Error())
	}
	return err
}

// ended returns the error for files that nobody is known to have made, or that are none.
func (cmd *madeCommand) ended(ctx context.Context, links *tasks.Links, missing []*tasks.MadeFile, wrong error) error {
	cmd.term.warnUnreadable(links)
	var last error
	for _, m := range missing {
		last = cmd.term.another(last, cmd.unknown(m))
	}
	if len(missing) > 0 {
		gaps, err := links.Gaps(ctx)
		if err != nil {
			return err
		}
		cmd.term.noteGaps(gaps)
	}
	switch {
	case wrong != nil:
		last = cmd.term.another(last, usageOfFile(wrong, "made"))
	case last != nil && len(links.Unreadable()) > 0:
		last = cmd.term.another(last, errMayBeMissing())
	}
	return last
}

// usageOfFile returns the error for an argument that is nothing that records list, and others as they are.
func usageOfFile(err error, command string) error {
	if errors.Is(err, provenance.ErrNotListed) {
		return &usageError{msg: err.Error(), help: "qme " + command + " --help"}
	}
	return err
}

// unknown is the error for a file that no run is known to have made.
func (cmd *madeCommand) unknown(m *tasks.MadeFile) error {
	switch {
	case m.Path == "":
		return fmt.Errorf("no run has recorded that it wrote what was read from standard input: %w", record.ErrNotFound)
	case m.Gone():
		return fmt.Errorf("%s: there is no such file, and no run has recorded that it wrote this path: %w", safe.Line(m.Path), record.ErrNotFound)
	}
	return fmt.Errorf("%s: no run has recorded that it wrote this content, or this path: %w; \"%s\" finds by a part of the path",
		safe.Line(m.Path), record.ErrNotFound, cmd.term.line("search", "--all-runs", "out:"+filepath.Base(m.Path)))
}

// madeOutput prints the runs that made files.
type madeOutput struct {
	*table
	links *tasks.Links
	host  string
	dir   string
}

// file prints the runs that made one file.
func (o *madeOutput) file(name string, m *tasks.MadeFile) error {
	if _, err := fmt.Fprintf(o.w, "%s: %s\n", o.color.bold(safe.Line(name)), madeLine(m)); err != nil {
		return err
	}
	for _, k := range m.Runs {
		short, err := o.links.Short(k.Run.Record.UID)
		if err != nil {
			return err
		}
		f := index.Found{Result: record.Result{ID: k.Run.Record.UID, Record: k.Run.Record}}
		if !k.Latest {
			f.Number = k.Run.Number
		}
		if err := o.found(f, short, new(query.Query)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(o.w, "    %-9s %s\n", safe.Line(k.File.By), o.evidence(m, k)); err != nil {
			return err
		}
	}
	return nil
}

// madeLine says in what relation a file is to the runs that are named.
func madeLine(m *tasks.MadeFile) string {
	line := ""
	switch first := m.Runs[0]; {
	case m.ByContent && first.Match == tasks.SameEnds:
		line = fmt.Sprintf("size and ends (%.12s) are those of what was written by", m.Content.Ends)
	case m.ByContent:
		line = fmt.Sprintf("this content (%.12s) was written by", m.Content.SHA256)
	case m.Gone():
		line = "is not there any more; this path was last written by"
	case m.Why != nil:
		line = "cannot be compared, " + safe.Line(m.Why.Error()) + "; this path was last written by"
	case first.Match == tasks.Different:
		line = "has changed since; this path was last written by"
	default:
		line = "cannot be compared, no hash was recorded; this path was last written by"
	}
	if m.Count == len(m.Runs) {
		return line
	}
	return fmt.Sprintf("%s %s, of which here are %d", line, count(m.Count, "run"), len(m.Runs))
}

// evidence says what a run has to do with a file.
func (o *madeOutput) evidence(m *tasks.MadeFile, k tasks.Link) string {
	words := []string{safe.Line(relativeTo(o.dir, k.Path()))}
	if host := k.Run.Record.Data.Host; host != o.host && host != "" {
		words[0] += " on " + safe.Line(host)
	}
	switch {
	case k.Match == tasks.SameEnds:
		words = append(words, "the first and the last MiB are the same")
	case k.Match == tasks.SameUnknown && m.ByContent:
		words = append(words, "written later, and no hash was recorded")
	case k.Match == tasks.SameUnknown && m.Why == nil:
		words = append(words, "no hash to compare")
	case k.Match == tasks.Different:
		words = append(words, fmt.Sprintf("then %s, sha256 %s", humanize.IBytes(uint64(k.File.Size)), shortHash(k.File)))
	}
	if k.NamedOnly() {
		words = append(words, "the command line names it, and it has come or changed meanwhile")
	}
	if k.File.Shared {
		words = append(words, "another run wrote it at the same time")
	}
	return strings.Join(words, "; ")
}

// warnUnreadable warns of records that could not be read.
func (t *terminal) warnUnreadable(links *tasks.Links) {
	for _, err := range links.Unreadable() {
		t.warn("%v", err)
	}
}

// noteGaps says that the files of some runs are not known here; nothing for none.
func (t *terminal) noteGaps(runs int) {
	if runs > 0 {
		t.note("Not all files of %s are known in this home: their lists stayed where they took place (setting share.parts), or are damaged.", count(runs, "run"))
	}
}

// here returns the current directory, "" if there is none.
func here() string {
	dir, err := filepath.Abs(".")
	if err != nil {
		return ""
	}
	return dir
}

// A madeJSON is what "made --json" prints of a file.
type madeJSON struct {
	File   string     `json:"file"`
	Size   *int64     `json:"size"`
	SHA256 string     `json:"sha256,omitempty"`
	Ends   string     `json:"ends_sha256,omitempty"`
	Error  string     `json:"error,omitempty"`
	Found  string     `json:"found"`
	Count  int        `json:"count"`
	Runs   []linkJSON `json:"runs"`
}

// A linkJSON is a run that made or used a file.
type linkJSON struct {
	runJSON
	Path     string `json:"path"`
	SamePath bool   `json:"same_path"`
	By       string `json:"by"`
	Shared   bool   `json:"shared"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256,omitempty"`
	Partial  bool   `json:"partial"`
	Content  string `json:"content"`
}

// A runJSON names a run.
type runJSON struct {
	UID       record.ID    `json:"uid"`
	Run       int          `json:"run"`
	RunID     record.RunID `json:"run_id,omitempty"`
	Timestamp record.Time  `json:"timestamp"`
	User      string       `json:"user"`
	Host      string       `json:"host"`
	Command   string       `json:"command"`
}

func runJSONOf(v tasks.Version) runJSON {
	d := v.Record.Data
	return runJSON{v.Record.UID, v.Number, d.RunID, d.Timestamp, d.User, d.Host, v.Record.Command}
}

// contentWords are the values of linkJSON.Content.
var contentWords = map[tasks.Match]string{tasks.SameContent: "same", tasks.SameEnds: "same ends", tasks.SameUnknown: "unknown", tasks.Different: "different"}

func linkJSONOf(k tasks.Link) linkJSON {
	f := k.File
	return linkJSON{runJSONOf(k.Run), k.Path(), k.SamePath, f.By, f.Shared, f.Size, f.SHA256, f.Partial, contentWords[k.Match]}
}

func madeJSONOf(m *tasks.MadeFile) madeJSON {
	j := madeJSON{File: m.Path, SHA256: m.Content.SHA256, Ends: m.Content.Ends, Found: "nothing", Count: m.Count, Runs: []linkJSON{}}
	if m.Path == "" {
		j.File = tasks.MadeStdin
	}
	if m.Content.Size >= 0 {
		j.Size = &m.Content.Size
	}
	if m.Why != nil {
		j.Error = m.Why.Error()
	}
	switch {
	case m.ByContent:
		j.Found = "content"
	case len(m.Runs) > 0:
		j.Found = "path"
	}
	for _, k := range m.Runs {
		j.Runs = append(j.Runs, linkJSONOf(k))
	}
	return j
}
