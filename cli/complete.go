package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/afero"
	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/executor"
	"qme/gitstore/remote"
	"qme/internal/intime"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

const (
	// completeTasks is how many tasks are offered, the newest.
	completeTasks = 50
	// completeTime bounds how long candidates are looked for, since a user has pressed a key
	// and waits; completeWait bounds it by the clock. What was found by then is offered.
	completeTime = 15 * time.Millisecond
	completeWait = 400 * time.Millisecond
	// completeWidth is how much of a description is given, in columns.
	completeWidth = 72
)

type completeCommand struct {
	term *terminal // for the answer alone
}

// completeCommand answers the scripts of "qme completion". Its arguments are the
// words behind "qme" up to the cursor, the last of them perhaps empty or not
// whole. The first line of its answer says what to complete with:
//
//	words       the further lines: each a word, a tab and a description
//	dirs        the names of folders
//	command N   as without the first N words of the line, "qme" included
//
// It writes nothing else and makes nothing, whatever is wrong.
func (cmd *completeCommand) command() *cli.Command {
	return &cli.Command{
		Name:            "__complete",
		Hidden:          true,
		SkipFlagParsing: true,
		Action: func(_ context.Context, c *cli.Command) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				words = []string{""}
			}
			w := bufio.NewWriter(cmd.term.out)
			(&completion{cmd.term.homeFlag}).answer(c.Root(), words).write(w)
			return w.Flush()
		},
	}
}

// A candidate is what a word may be completed to.
type candidate struct{ word, description string }

// An answer is what "qme __complete" prints.
type answer struct {
	with       string
	candidates []candidate
}

func (r answer) write(w *bufio.Writer) {
	fmt.Fprintln(w, r.with)
	for _, c := range r.candidates {
		fmt.Fprintf(w, "%s\t%s\n", c.word, runewidth.Truncate(safe.Line(c.description), completeWidth, "…"))
	}
}

// words answers with those of the candidates that begin as the word does. What a shell
// would expand is left out: a name in a record may be $(a command), and not every shell
// quotes what it puts into the line.
func words(word string, candidates []candidate) answer {
	return answer{"words", slices.DeleteFunc(candidates, func(c candidate) bool { return !strings.HasPrefix(c.word, word) || !harmless(c.word) })}
}

// harmless reports whether a word means itself to every shell, wherever it stands.
func harmless(word string) bool {
	return word != "" && word[0] != '=' && !strings.ContainsFunc(word, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:,+@=%", r)
	})
}

// A completion looks for what a line may be completed with.
type completion struct{ homeFlag string }

func (c *completion) answer(root *cli.Command, line []string) answer {
	last := len(line) - 1
	p := &arranger{root: root, command: root, rest: line[:last:last]}
	word := line[last]
	args, dashes := 0, false
	for len(p.rest) > 0 {
		switch w := p.next(); {
		case w == "--" && !dashes:
			dashes = true
		case len(w) > 1 && w[0] == '-' && !dashes:
			if err := p.option(w); err != nil && p.wants != nil {
				c.setHome(p.out)
				return c.value(p.command.Name, p.wants, word)
			} // what is wrong otherwise is said when the command is run
		case p.command != root:
			args++
		default:
			if p.command = root.Command(w); p.command == nil && w == "help" && len(p.rest) == 0 {
				return words(word, commandCandidates(root))
			} else if p.command == nil {
				return words(word, nil)
			}
		}
		if p.command.Name == "exec" {
			c.setHome(p.out)
			return words(word, c.execCandidates(p.rest, word))
		}
		if p.command.SkipFlagParsing || args > 0 && p.command.StopOnNthArg != nil {
			return answer{with: fmt.Sprintf("command %d", last-len(p.rest))}
		}
	}
	c.setHome(p.out)
	switch {
	case !dashes && strings.HasPrefix(word, "-"):
		return words(word, optionCandidates(p))
	case p.command == root:
		return words(word, commandCandidates(root))
	case p.command.StopOnNthArg != nil:
		return answer{with: fmt.Sprintf("command %d", last+1)}
	}
	if takesFolder(p.command.Name, args, word) && !slices.Contains(p.out, "--remove=true") {
		return answer{with: "dirs"}
	}
	return words(word, c.arguments(p.command.Name, args, word))
}

// takesFolder reports whether a command's argument may be a repository in a folder:
// a URL has no other form that could be completed.
func takesFolder(command string, before int, word string) bool {
	switch command {
	case "clone":
		return before == 0
	case "remote":
		return before == 1 || before == 0 && strings.ContainsAny(word, "/.~")
	}
	return false
}

// completeHome follows an option that says where the tasks are.
func (c *completion) setHome(options []string) {
	for _, o := range options {
		home, ok := strings.CutPrefix(o, "--home=")
		if !ok {
			continue
		}
		// The shell hands on what was typed, before it has expanded it.
		if rest, ok := strings.CutPrefix(home, "~/"); ok {
			home = filepath.Join(os.Getenv("HOME"), rest)
		}
		c.homeFlag = home
	}
}

func (c *completion) value(command string, f cli.Flag, word string) answer {
	switch f.Names()[0] {
	case "home":
		return answer{with: "dirs"}
	case "sort":
		orders := sortOrders
		if command == "ls" {
			orders = tasks.Sorts
		}
		var found []candidate
		for _, o := range orders {
			found = append(found, candidate{o, ""})
		}
		return words(word, found)
	case "on":
		return words(word, c.inTime(executorNames))
	case "color":
		return words(word, []candidate{{"auto", ""}, {"always", ""}, {"never", ""}})
	case "database":
		return words(word, []candidate{{"filesystem", "no mirror"}})
	case "host":
		return words(word, namesIn(c.newest(), func(r *record.Record) string { return r.Data.Host }))
	case "user":
		return words(word, namesIn(c.newest(), func(r *record.Record) string { return r.Data.User }))
	}
	return words(word, nil)
}

// namesIn returns what the records have for name, each once.
func namesIn(items []tasks.Item, name func(*record.Record) string) []candidate {
	var found []candidate
	for _, item := range items {
		c := candidate{word: name(item.Record)}
		// What begins with a dash would be an option.
		if !strings.HasPrefix(c.word, "-") && !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	return found
}

func optionCandidates(p *arranger) []candidate {
	var found []candidate
	for _, f := range p.flags() {
		usage := ""
		if d, ok := f.(cli.DocGenerationFlag); ok {
			usage = strings.ReplaceAll(d.GetUsage(), "`", "")
		}
		c := candidate{"--" + f.Names()[0], usage}
		if c.word == "--version" && p.command != p.root || slices.Contains(found, c) {
			continue
		}
		found = append(found, c)
	}
	return found
}

func commandCandidates(root *cli.Command) []candidate {
	var found []candidate
	for _, c := range root.Commands {
		if !c.Hidden {
			found = append(found, candidate{c.Name, c.Usage})
		}
	}
	return found
}

// argumentCandidates returns what a command's argument may be that has so many
// before it.
func (c *completion) arguments(command string, before int, word string) []candidate {
	if before > 1 && command != "refresh" || before == 1 && command != "diff" && command != "refresh" {
		return nil
	}
	switch command {
	case "wait":
		return taskCandidates(c.newest(), word, (*record.Record).Active)
	case "refresh":
		return taskCandidates(c.newest(), word, func(r *record.Record) bool { return r.Data.Status != record.Running && r.Active() })
	case "get", "rerun", "log", "diff":
		return taskCandidates(c.newest(), word, nil)
	case "cancel":
		return taskCandidates(c.newest(), word, func(r *record.Record) bool { return r.Data.Status == record.Running })
	case "ls":
		return executorCandidates(c.newest())
	case "clear":
		items := c.newest()
		return append(executorCandidates(items), taskCandidates(items, word, nil)...)
	case "remote", "pull", "push", "sync":
		return c.inTime(readRemotes)
	case "config":
		return settingCandidates()
	case "completion":
		return []candidate{{"bash", ""}, {"zsh", ""}, {"fish", ""}}
	}
	return nil
}

func settingCandidates() []candidate {
	cfg, err := config.Load(afero.NewMemMapFs(), "", nil)
	if err != nil {
		return nil
	}
	var found []candidate
	for _, s := range cfg.All() {
		found = append(found, candidate{s.Name, s.Description})
	}
	return found
}

// taskCandidates names tasks as word has begun to: by their short names, with the executor
// where the word has it, or by number: those of which want is true, if it is given.
func taskCandidates(items []tasks.Item, word string, want func(*record.Record) bool) []candidate {
	var found []candidate
	for i, item := range items {
		if want != nil && !want(item.Record) {
			continue
		}
		name := item.Short
		if len(word) > len(name) { // it has more of the id
			name = item.ID.UUID()
		}
		switch whole := item.ID.Executor() + "-" + name; {
		case strings.HasPrefix(word, "@"):
			name = fmt.Sprintf("@%d", i+1)
		case word != "" && !strings.HasPrefix(name, word) && strings.HasPrefix(string(item.ID), word):
			name = whole
			if len(word) > len(name) {
				name = string(item.ID)
			}
		}
		found = append(found, candidate{name, item.Record.Command})
	}
	return found
}

// executorCandidates returns the executors there are, and those of which there
// are tasks.
func executorCandidates(items []tasks.Item) []candidate {
	names := []string{executor.ShellName}
	for _, item := range items {
		names = append(names, item.ID.Executor())
	}
	slices.Sort(names)
	var found []candidate
	for _, name := range slices.Compact(names) {
		found = append(found, candidate{name, "tasks of this executor"})
	}
	return found
}

// collect returns what find sends of the home, nil for none, as much as is found in time. A file system
// that does not answer must not hold up the prompt: what still reads then ends with the process.
func collect[T any](c *completion, find func(h *home, send func(T))) []T {
	flag := c.homeFlag
	return intime.Collect(intime.Limits{Processor: completeTime, Clock: completeWait}, func(send func(T)) {
		find(silentHome(flag), send)
	})
}

// inTime returns what is read, or nothing when that takes too long.
func (c *completion) inTime(read func(h *home) []candidate) []candidate {
	return slices.Concat(collect(c, func(h *home, send func([]candidate)) { send(read(h)) })...)
}

// newest returns the newest tasks, as many as can be read in time.
func (c *completion) newest() []tasks.Item {
	return collect(c, func(h *home, send func(tasks.Item)) {
		if h == nil {
			return
		}
		q, err := h.tasks()
		if err != nil {
			return
		}
		for item := range q.List(tasks.Filter{Limit: completeTasks, Brief: true}) {
			if item.Err == nil {
				send(item)
			}
		}
	})
}

// silentHome opens a home for reading in silence, with the defaults for settings; nil where
// there is nothing to read. The key was not pressed to learn of errors, and the command that
// is being typed will report them itself.
func silentHome(flag string) *home {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	a := newApp(&terminal{homeFlag: flag, err: null, silent: true})
	dir, err := a.settings.homeDir()
	if err != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "tasks.git", "HEAD")); err != nil {
		return nil // opening the history would make one
	}
	cfg, err := config.Load(afero.NewMemMapFs(), "", nil)
	if err != nil {
		return nil
	}
	a.settings.use(cfg)
	return a.home
}

// readRemotes returns the remotes of a home.
func readRemotes(h *home) []candidate {
	if h == nil {
		return nil
	}
	q, err := h.tasks()
	if err != nil {
		return nil
	}
	remotes, err := q.Remotes()
	if err != nil {
		return nil
	}
	var found []candidate
	for _, r := range remotes {
		found = append(found, candidate{r.Name, remote.Shown(r.URL)})
	}
	return found
}
