package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type staleCommand struct {
	term *terminal
	home *home
}

// staleOptions are the options of stale.
type staleOptions struct {
	by     []tasks.Kind // nil: the default
	accept bool
	json   bool
}

func (cmd *staleCommand) command() *cli.Command {
	var by string
	var o staleOptions
	return &cli.Command{
		Name:      "stale",
		Usage:     "show which files are not as they would be made now",
		ArgsUsage: "[FILE…]",
		Description: `A file is stale if the run that made it last has had other inputs or another script
than there are now, or if what it was made from is stale itself. Each reason is named,
also that a file is gone, was changed by hand, or that something was not recorded.

Without FILE it shows the files below the current directory that are not fresh, among
those that runs of this home have made. A folder stands for what is below it.

It ends with 0 if all are fresh, with 1 if one is not or that is not known, and with 3
if no run is known to have made FILE.

Examples:
  qme stale
  qme stale figure.png
  qme stale --by inputs,script,code figure.png
  qme stale --accept figure.png`,
		Flags: []cli.Flag{
			byFlag("", &by),
			&cli.BoolFlag{Name: "accept", Usage: "what is different now does not matter for FILE, until it changes further", Destination: &o.accept},
			&cli.BoolFlag{Name: "json", Usage: "print one file per line as JSON", Destination: &o.json},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			var err error
			if o.by, err = kindsOf(by); err != nil {
				return err
			}
			files := c.Args().Slice()
			switch {
			case slices.Contains(files, ""):
				return &usageError{msg: "a file cannot be empty", help: "qme stale --help"}
			case o.accept && len(files) == 0:
				return &usageError{msg: "--accept needs the files for which it does not matter", help: "qme stale --help"}
			}
			return cmd.run(ctx, files, o)
		},
	}
}

// byFlag returns the option with the kinds of changes that count. prefix says with what it goes.
func byFlag(prefix string, to *string) cli.Flag {
	return &cli.StringFlag{Name: "by", Usage: prefix + "what counts: `KIND,…` of inputs, script, program, software, environment, code, host (default: inputs,script)", Destination: to}
}

// kindsOf reads the value of --by; nil for none.
func kindsOf(by string) ([]tasks.Kind, error) {
	var kinds []tasks.Kind
	for word := range strings.SplitSeq(by, ",") {
		kind := tasks.Kind(strings.TrimSpace(word))
		switch {
		case by == "":
		case !slices.Contains(tasks.Kinds, kind):
			var names []string
			for _, k := range tasks.Kinds {
				names = append(names, string(k))
			}
			return nil, &usageError{msg: fmt.Sprintf("--by cannot be %q; it takes %s, separated by commas", word, strings.Join(names, ", ")), help: "qme stale --help"}
		default:
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

func (cmd *staleCommand) run(ctx context.Context, args []string, o staleOptions) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	s, err := q.Staleness(ctx, tasks.StaleOptions{Kinds: o.by, Accept: o.accept})
	if err != nil {
		return err
	}
	defer s.Close()
	found, unmade, err := findStale(ctx, s, args)
	if err != nil {
		return err
	}
	if o.accept {
		err = cmd.accept(ctx, s, found.files)
	} else {
		err = cmd.show(found, o)
	}
	var stale *codeError
	if unmade != nil && (err == nil || errors.As(err, &stale)) {
		return unmade
	}
	return err
}

// foundFiles are the files that are shown.
type foundFiles struct {
	files []*tasks.StaleFile
	named bool // the user has named each of them
	more  bool // not all runs were looked at
}

// findStale looks at the files that were named, and at those below the folders. unmade says which of them
// no run has made, and wraps record.ErrNotFound.
func findStale(ctx context.Context, s *tasks.Staleness, args []string) (found foundFiles, unmade, err error) {
	found.named = len(args) > 0
	if len(args) == 0 {
		args = []string{"."}
	}
	var none []error
	for _, arg := range args {
		path, err := filepath.Abs(arg)
		if err != nil {
			return found, nil, err
		}
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			f, err := s.File(ctx, path)
			if errors.Is(err, record.ErrNotFound) {
				none = append(none, err)
				continue
			}
			if err != nil {
				return found, nil, err
			}
			found.files = append(found.files, f)
			continue
		}
		found.named = false
		paths, more, err := s.Below(ctx, path)
		if err != nil {
			return found, nil, err
		}
		found.more = found.more || more
		for _, path := range paths {
			f, err := s.File(ctx, path)
			if err != nil && !errors.Is(err, record.ErrNotFound) {
				return found, nil, err
			}
			if err == nil { // else this home has not made it
				found.files = append(found.files, f)
			}
		}
	}
	return found, errors.Join(none...), nil
}

// accept notes that what is different does not matter for some files.
func (cmd *staleCommand) accept(ctx context.Context, s *tasks.Staleness, files []*tasks.StaleFile) error {
	for _, f := range files {
		n, err := s.Accept(ctx, f)
		if err != nil {
			return err
		}
		if n == 0 {
			cmd.term.note("%s is fresh already.", shownPath(f.Path))
			continue
		}
		cmd.term.note("%s: %s %s not matter from now on.", shownPath(f.Path), count(n, "change"), does(n))
	}
	return nil
}

// show prints the files, and returns an error with the exit code if one of them is not fresh.
func (cmd *staleCommand) show(found foundFiles, o staleOptions) error {
	fresh := 0
	err := cmd.term.listing(o.json, func(w *bufio.Writer) error {
		p := cmd.term.palette()
		for _, f := range found.files {
			if f.State == tasks.Fresh {
				fresh++
			}
			var err error
			switch {
			case o.json:
				err = writeJSON(w, staleJSON(f))
			case found.named || f.State != tasks.Fresh:
				err = writeStale(w, p, f)
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
	if found.more {
		cmd.term.note("There are more files that runs have made; name the files or a folder to see those.")
	}
	switch {
	case fresh < len(found.files):
		return &codeError{code: exitFailure}
	case !found.named && !o.json && fresh == 0:
		cmd.term.note("No run of this home is known to have made a file here; a copy is known if you name it, as in \"qme stale paper/*\".")
	case !found.named && !o.json:
		cmd.term.note("%s that runs have made here: fresh.", count(fresh, "file"))
	}
	return nil
}

// writeStale prints a file with the reasons.
func writeStale(w *bufio.Writer, p palette, f *tasks.StaleFile) error {
	state := map[tasks.Freshness]string{
		tasks.Fresh: p.green("fresh"), tasks.Stale: p.red("stale"), tasks.Gone: p.red("gone"),
		tasks.Edited: p.yellow("changed by hand"), tasks.NotKnown: p.yellow("not known"),
	}[f.State]
	fmt.Fprintf(w, "%s: %s", p.bold(shownPath(f.Path)), state)
	switch {
	case f.Accepted > 0 && f.State == tasks.Fresh:
		fmt.Fprintf(w, ", with %s that %s not matter", count(f.Accepted, "change"), does(f.Accepted))
	case f.Why != "":
		fmt.Fprintf(w, ", %s", safe.Line(f.Why))
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "  made by %s  %s", f.Run.Name(), safe.Bounded(typed(f.Run.Record)))
	if f.MovedFrom != "" {
		fmt.Fprintf(w, ", as %s", shownPath(f.MovedFrom))
	}
	fmt.Fprintln(w)
	writeReasons(w, "  ", f.Reasons, f.More)
	return w.Flush()
}

// shownReasons is how many reasons are printed, and listedReasons how many are in JSON.
const shownReasons, listedReasons = 20, 100

// writeReasons prints reasons, each on a line. The same file of several runs is told once, and of several that
// are not known for the same reason the first one.
func writeReasons(w *bufio.Writer, indent string, reasons []tasks.Reason, more int) {
	alike := map[string]int{}
	key := func(r tasks.Reason) string {
		switch {
		case r.State == tasks.SinceUnknown:
			return strings.Join([]string{r.State, string(r.Kind), r.Why}, "\x00")
		case r.Path == "":
			return strings.Join([]string{string(r.Kind), r.Name, r.From, r.To}, "\x00")
		}
		return strings.Join([]string{r.State, r.Path, r.From, r.Why}, "\x00")
	}
	for _, r := range reasons {
		alike[key(r)]++
	}
	told := map[string]bool{}
	for _, r := range reasons {
		k := key(r)
		switch {
		case told[k]:
			continue
		case len(told) == shownReasons:
			more += alike[k]
		case r.State == tasks.SinceUnknown && alike[k] > 1:
			fmt.Fprintf(w, "%s%s (and of %d more)\n", indent, reasonText(r), alike[k]-1)
		default:
			fmt.Fprintf(w, "%s%s\n", indent, reasonText(r))
		}
		if len(told) < shownReasons {
			told[k] = true
		} else {
			alike[k] = 0 // it is counted
		}
	}
	if more > 0 {
		fmt.Fprintf(w, "%sand %d more\n", indent, more)
	}
}

func does(n int) string {
	if n == 1 {
		return "does"
	}
	return "do"
}

// shownVia is how many files of a way are shown at each end.
const shownVia = 3

// reasonText describes in a line what has changed, and by which files it reaches the one that is stale.
func reasonText(r tasks.Reason) string {
	text := sinceText(r.Since)
	if len(r.Via) > 0 {
		var via []string
		for i, path := range r.Via {
			if n := len(r.Via) - 2*shownVia; n > 0 && i >= shownVia && i < shownVia+n {
				if i == shownVia {
					via = append(via, fmt.Sprintf("%d more", n))
				}
				continue
			}
			via = append(via, shownPath(path))
		}
		text += ", of which " + strings.Join(via, " and then ") + " was made"
	}
	return text
}

// sinceText describes in a line what is different now.
func sinceText(s tasks.Since) string {
	what := safe.Line(s.Name)
	if s.Kind != tasks.KindInputs {
		what = strings.TrimSpace(string(s.Kind) + " " + what)
	}
	if what == "" {
		what = string(s.Kind)
	}
	text := what
	switch s.State {
	case tasks.SinceMissing:
		text += " is not there any more"
	case tasks.SinceNew:
		text += " is new"
	case tasks.SinceUnknown:
		text += ": not known"
	default:
		text += fmt.Sprintf(": %s -> %s", shown(s.From), shown(s.To))
	}
	if len(s.Files) > 0 {
		text += " (" + safe.Line(strings.Join(s.Files, ", ")) + ")"
	}
	if s.Why != "" {
		text += ", " + safe.Line(s.Why)
	}
	return text
}

// shownPath returns a path for display, relative to the current directory where it is below that.
func shownPath(path string) string { return safe.Line(relativeTo(here(), path)) }

// A staleFileJSON is a file in the output of stale --json.
type staleFileJSON struct {
	File      string          `json:"file"`
	State     tasks.Freshness `json:"state"`
	Why       string          `json:"why,omitempty"`
	UID       record.ID       `json:"uid"`
	Run       int             `json:"run"`
	RunID     record.RunID    `json:"run_id,omitempty"`
	Command   string          `json:"command"`
	By        string          `json:"by"`
	MovedFrom string          `json:"moved_from,omitempty"`
	Reasons   []reasonJSON    `json:"reasons"`
	More      int             `json:"more,omitempty"`
	Accepted  int             `json:"accepted,omitempty"`
}

// A reasonJSON is one of its reasons.
type reasonJSON struct {
	tasks.Since
	UID   record.ID    `json:"uid"`
	Run   int          `json:"run"`
	RunID record.RunID `json:"run_id,omitempty"`
	Via   []string     `json:"via"`
}

func staleJSON(f *tasks.StaleFile) staleFileJSON {
	d := f.Run.Record
	return staleFileJSON{
		File: f.Path, State: f.State, Why: f.Why, UID: d.UID, Run: f.Run.Number, RunID: d.Data.RunID, Command: d.Command, By: f.File.By,
		MovedFrom: f.MovedFrom, Reasons: reasonsJSON(f.Reasons), More: f.More + max(0, len(f.Reasons)-listedReasons), Accepted: f.Accepted,
	}
}

func reasonsJSON(reasons []tasks.Reason) []reasonJSON {
	list := []reasonJSON{}
	for _, r := range reasons[:min(len(reasons), listedReasons)] {
		list = append(list, reasonJSON{Since: r.Since, UID: r.Run.Record.UID, Run: r.Run.Number, RunID: r.Run.Record.Data.RunID, Via: append([]string{}, r.Via...)})
	}
	return list
}
