package cli

import (
	"bufio"
	"context"
	"fmt"
	"maps"
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
	"qme/index"
	"qme/index/query"
	"qme/internal/intime"
	"qme/internal/safe"
	"qme/queue"
	"qme/record"
	"qme/tasks"
)

const (
	// completeTasks is the number of tasks offered, the newest ones.
	completeTasks = 50
	// completeTime and completeWait limit the search for candidates, in processor time
	// and on the clock, since the user has pressed a key and waits. The candidates found
	// by then are offered.
	completeTime = 15 * time.Millisecond
	completeWait = 400 * time.Millisecond
	// completeWidth is the width of a description in columns.
	completeWidth = 72
)

type completeCommand struct {
	term *terminal // only for writing the answer
}

// command returns the command that answers the scripts of "qme completion". Its arguments
// are the words after "qme" up to the cursor; the last may be empty or incomplete. The
// first line of the answer says how to complete:
//
//	words       the further lines: each a word, a tab and a description
//	dirs        the names of folders
//	files       the names of files and folders
//	command N   as without the first N words of the line, "qme" included
//
// It prints nothing else and creates no files, even after errors.
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

// A candidate is one possible completion of a word.
type candidate struct{ word, description string }

// An answer is the output of "qme __complete".
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

// words returns the candidates that begin with word. Candidates that a shell would expand
// are left out: a name in a record may be $(a command), and not every shell quotes the
// completions that it inserts.
func words(word string, candidates []candidate) answer {
	return answer{"words", slices.DeleteFunc(candidates, func(c candidate) bool { return !strings.HasPrefix(c.word, word) || !harmless(c.word) })}
}

// harmless reports whether every shell takes a word literally, anywhere in a line.
func harmless(word string) bool {
	return word != "" && word[0] != '=' && !strings.ContainsFunc(word, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:,+@=%", r)
	})
}

// A completion finds the candidates for a line.
type completion struct{ homeFlag string }

func (c *completion) answer(root *cli.Command, line []string) answer {
	last := len(line) - 1
	p := &arranger{root: root, command: root, rest: line[:last:last]}
	word := line[last]
	args, dashes := 0, 0 // dashes is the place of --, from 1
	first := ""          // the first argument
	for len(p.rest) > 0 {
		switch w := p.next(); {
		case w == "--" && dashes == 0:
			dashes = last - len(p.rest)
		case len(w) > 1 && w[0] == '-' && dashes == 0:
			if err := p.option(w); err != nil && p.wants != nil {
				c.setHome(p.out)
				return c.value(p.command.Name, p.wants, word)
			} // other mistakes are reported when the command is run
		case p.command != root:
			if args++; args == 1 {
				first = w
			}
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
	case dashes == 0 && strings.HasPrefix(word, "--") && strings.Contains(word, "="):
		return c.joinedValue(p, word)
	case dashes == 0 && strings.HasPrefix(word, "-"):
		return words(word, optionCandidates(p, first))
	case p.command == root:
		return words(word, commandCandidates(root))
	case p.command.StopOnNthArg != nil:
		return answer{with: fmt.Sprintf("command %d", last+1)}
	case slices.Contains([]string{"edit", "sweep"}, p.command.Name) && dashes > 0:
		return answer{with: fmt.Sprintf("command %d", dashes+1)}
	}
	if takesFolder(p.command.Name, args, word) && !slices.Contains(p.out, "--remove=true") {
		return answer{with: "dirs"}
	}
	if takesFile(p.command.Name, word) || p.command.Name == "rerun" && slices.Contains(p.out, "--stale=true") {
		return answer{with: "files"}
	}
	return words(word, c.arguments(p.command.Name, args, word))
}

// takesFile reports whether an argument of the command can only be a file.
func takesFile(command, word string) bool {
	switch command {
	case "made", "stale":
		return true
	case "log", "lineage":
		return strings.ContainsRune(word, filepath.Separator)
	}
	return false
}

// takesFolder reports whether an argument of the command may be a repository in a folder,
// the only form of URL that can be completed.
func takesFolder(command string, before int, word string) bool {
	switch command {
	case "clone":
		return before == 0
	case "remote":
		return before == 1 || before == 0 && strings.ContainsAny(word, "/.~")
	}
	return false
}

// setHome takes the home from the options.
func (c *completion) setHome(options []string) {
	for _, o := range options {
		home, ok := strings.CutPrefix(o, "--home=")
		if !ok {
			continue
		}
		// The shell passes the word as typed, before expanding it.
		if rest, ok := strings.CutPrefix(home, "~/"); ok {
			home = filepath.Join(os.Getenv("HOME"), rest)
		}
		c.homeFlag = home
	}
}

// joinedValue completes the value in --OPTION=VALUE.
func (c *completion) joinedValue(p *arranger, word string) answer {
	option, value, _ := strings.Cut(word, "=")
	if err := p.option(option); err == nil || p.wants == nil {
		return words(word, nil)
	}
	list := c.value(p.command.Name, p.wants, value).candidates // folders have none
	for i := range list {
		list[i].word = option + "=" + list[i].word
	}
	return words(word, list)
}

func (c *completion) value(command string, f cli.Flag, word string) answer {
	switch f.Names()[0] {
	case "home":
		return answer{with: "dirs"}
	case "in", "out", "stdin", "metric-file":
		return answer{with: "files"}
	case "sort":
		if command == "table" {
			return words(word, c.gridCandidates(word))
		}
		orders := sortOrders
		if command == "ls" {
			orders = tasks.Sorts
		}
		return words(word, plain(orders))
	case "count-by":
		return words(word, plain(index.Counted))
	case "status":
		return words(word, statusCandidates(word))
	case "columns", "over":
		if command == "table" {
			return words(word, c.gridCandidates(word))
		}
		return words(word, c.columnCandidates(word))
	case "by":
		return words(word, kindCandidates(word))
	case setOption:
		found := c.namesOf("param")
		for i := range found {
			found[i].word += "="
		}
		return words(word, found)
	case "tag":
		return words(word, c.namesOf("tag"))
	case "group":
		return words(word, append([]candidate{{lastGroup, "the group of the newest task that has one"}}, c.namesOf("group")...))
	case "query":
		return words(word, c.queryCandidates(word))
	case "saved", "save":
		return words(word, c.searchCandidates(""))
	case "on":
		return words(word, c.inTime(executorNames))
	case "color":
		return words(word, []candidate{{"auto", ""}, {"always", ""}, {"never", ""}})
	case "database":
		return words(word, []candidate{{"filesystem", "no mirror"}})
	case "host":
		if slices.Contains([]string{"add", "edit", "sweep"}, command) {
			return words(word, []candidate{{"any", "any machine with this home"}})
		}
		return words(word, c.namesOf("host"))
	case "user":
		return words(word, c.namesOf("user"))
	case "queue":
		return words(word, append([]candidate{{queue.DefaultName, "the queue of tasks that name none"}}, c.inTime(queueNames)...))
	case "after", "after-any", "after-failed":
		return words(word, c.afterCandidates(word))
	}
	return words(word, nil)
}

// plain returns candidates without a description.
func plain(list []string) []candidate {
	var found []candidate
	for _, word := range list {
		found = append(found, candidate{word, ""})
	}
	return found
}

// namesOf returns the executors, users, hosts, tags, groups, parameters or metrics of the newest tasks.
func (c *completion) namesOf(field string) []candidate {
	var found []candidate
	for _, item := range c.newestItems(!slices.Contains([]string{"group", "param", "metric"}, field)) {
		var names []string
		switch r := item.Record; field {
		case "executor":
			names = []string{r.Executor}
		case "user":
			names = []string{r.Data.User}
		case "host":
			names = []string{r.Data.Host}
		case "tag":
			names = r.Notes.Tagged()
		case "group":
			if r.Data.Group != nil {
				names = []string{r.Data.Group.Name}
			}
		case "param":
			for _, p := range r.Data.Params {
				names = append(names, p.Name)
			}
		case "metric":
			for _, m := range r.Data.Metrics {
				names = append(names, m.Name)
			}
		}
		for _, name := range names {
			// A name that begins with a dash would be taken for an option.
			if one := (candidate{name, ""}); name != "" && !strings.HasPrefix(name, "-") && !slices.Contains(found, one) {
				found = append(found, one)
			}
		}
	}
	return found
}

// valueNames returns the parameters or the metrics of the newest tasks as param.NAME and metric.NAME, if that is how a word begins.
func (c *completion) valueNames(word string) (found []candidate) {
	for _, kind := range query.Named {
		if strings.HasPrefix(word, kind+".") {
			for _, one := range c.namesOf(kind) {
				found = append(found, candidate{kind + "." + one.word, ""})
			}
		}
	}
	return found
}

// columnCandidates returns the columns of a listing, each after those that word lists already.
func (c *completion) columnCandidates(word string) []candidate {
	before := listedBefore(word)
	var found []candidate
	for _, one := range columns() {
		found = append(found, candidate{before + one.name, one.usage})
	}
	for _, one := range c.valueNames(word[len(before):]) {
		found = append(found, candidate{before + one.word, ""})
	}
	return found
}

// gridCandidates returns the recorded parameters and metrics, and the columns that each table has, each after those that word lists
// already.
func (c *completion) gridCandidates(word string) []candidate {
	before := listedBefore(word)
	if strings.HasPrefix(word[len(before):], "-") { // the greatest first
		before += "-"
	}
	var found []candidate
	for _, one := range slices.Concat(c.namesOf("param"), c.namesOf("metric"), plain([]string{gridID, gridOutcome, gridDuration}), plain(gridLabels)) {
		found = append(found, candidate{before + one.word, ""})
	}
	return found
}

// afterCandidates returns the tasks for which another one can wait, each after those that word lists already.
func (c *completion) afterCandidates(word string) []candidate {
	before := listedBefore(word)
	found := taskCandidates(c.newest(), word[len(before):], nil)
	for i := range found {
		found[i].word = before + found[i].word
	}
	return found
}

// queueTakes reports whether a word behind "qme queue", "" for none, takes an option of it.
func queueTakes(word, option string) bool {
	return slices.ContainsFunc((&queueCommand{}).actions(), func(a queueAction) bool { return a.name == word && slices.Contains(a.options, option) })
}

// queueActionCandidates returns the words behind "qme queue".
func queueActionCandidates() []candidate {
	var found []candidate
	for _, a := range (&queueCommand{}).actions() {
		if a.name != "" && !a.hidden {
			found = append(found, candidate{a.name, a.about})
		}
	}
	return found
}

// listedBefore returns the part of a list that is complete.
func listedBefore(word string) string { return word[:strings.LastIndexByte(word, ',')+1] }

// kindCandidates returns the kinds of changes, each after those that word lists already.
func kindCandidates(word string) []candidate {
	var found []candidate
	for _, kind := range tasks.Kinds {
		found = append(found, candidate{listedBefore(word) + string(kind), ""})
	}
	return found
}

// statusCandidates returns the words for a status, each after those that word lists already.
func statusCandidates(word string) []candidate {
	before := listedBefore(word)
	var found []candidate
	for _, name := range append(record.OutcomeNames(), "active", string(record.Complete)) {
		found = append(found, candidate{before + name, ""})
	}
	return found
}

// queryCandidates returns the fields of a query and, after some of them, their values.
func (c *completion) queryCandidates(word string) []candidate {
	name, value, hasValue := strings.Cut(word, ":")
	if !hasValue {
		var found []candidate
		for _, f := range query.Fields {
			found = append(found, candidate{f + ":", ""})
		}
		for _, one := range c.valueNames(word) {
			found = append(found, candidate{one.word + ":", ""})
		}
		for _, s := range query.StatusWords {
			found = append(found, candidate{s, "same as status:" + s})
		}
		return found
	}
	var found []candidate
	switch name {
	case "status":
		found = statusCandidates(value)
	case "executor", "user", "host", "tag", "group", "param", "metric":
		found = c.namesOf(name)
	}
	for i := range found {
		found[i].word = name + ":" + found[i].word
	}
	return found
}

// optionCandidates returns the options of a command whose first argument is known. Of queue that says which of them mean
// something.
func optionCandidates(p *arranger, first string) []candidate {
	var found []candidate
	for _, f := range p.flags() {
		if p.command.Name == "queue" && slices.Contains(p.command.Flags, f) && !queueTakes(first, f.Names()[0]) {
			continue
		}
		usage := ""
		if d, ok := f.(cli.DocGenerationFlag); ok {
			usage = strings.ReplaceAll(d.GetUsage(), "`", "")
		}
		for _, name := range f.Names() {
			c := candidate{"--" + name, usage}
			if len(name) == 1 || c.word == "--version" && p.command != p.root || slices.Contains(found, c) {
				continue
			}
			found = append(found, c)
		}
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

// arguments returns the candidates for the argument of a command that has before
// arguments in front of it.
func (c *completion) arguments(command string, before int, word string) []candidate {
	if command == "search" {
		return c.queryCandidates(word)
	}
	several := slices.Contains([]string{"refresh", "wait", "tag", "cancel", "hold", "release"}, command)
	if before > 1 && !several || before == 1 && command != "diff" && !several {
		return nil
	}
	switch command {
	case "wait", "follow":
		return taskCandidates(c.newestAndWaiting(word), word, (*record.Record).Active)
	case "refresh":
		return taskCandidates(c.newest(), word, func(r *record.Record) bool { return r.Data.Status != record.Running && r.Active() })
	case "show", "note", "tag", "name", "get", "rerun", "log", "lineage", "diff", "checkout":
		return taskCandidates(c.newest(), word, nil)
	case "cancel":
		return taskCandidates(c.newestAndWaiting(word), word, func(r *record.Record) bool { return r.Data.Status == record.Running || r.IsQueued() })
	case "hold", "release", "edit":
		return taskCandidates(c.newestAndWaiting(word), word, (*record.Record).IsQueued)
	case "queue":
		return queueActionCandidates()
	case "ls":
		return executorCandidates(c.newest())
	case "clear":
		items := c.newest()
		return append(executorCandidates(items), taskCandidates(items, word, nil)...)
	case "remote", "pull", "push", "sync":
		return c.inTime(readRemotes)
	case "config":
		return append(settingCandidates(), c.searchCandidates(config.SearchGroup+".")...)
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

// taskCandidates returns the tasks for which want is true, all if want is nil. They are
// named in the style of word: by short name, by executor and short name, or by number.
func taskCandidates(items []tasks.Item, word string, want func(*record.Record) bool) []candidate {
	var found []candidate
	for i, item := range items {
		if want != nil && !want(item.Record) {
			continue
		}
		name := item.Short
		if len(word) > len(name) { // the user has typed more of the id
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

// executorCandidates returns the shell executor and the executors of items.
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

// collect returns the values that find sends within the time limits; find gets a nil home
// if there is none. A file system that does not respond must not block the prompt: a read
// still running then ends with the process.
func collect[T any](c *completion, find func(h *home, send func(T))) []T {
	flag := c.homeFlag
	return intime.Collect(intime.Limits{Processor: completeTime, Clock: completeWait}, func(send func(T)) {
		find(silentHome(flag), send)
	})
}

// inTime returns the result of read, or nil if it takes too long.
func (c *completion) inTime(read func(h *home) []candidate) []candidate {
	return slices.Concat(collect(c, func(h *home, send func([]candidate)) { send(read(h)) })...)
}

// newest returns the newest tasks, as many as can be read within the limits.
func (c *completion) newest() []tasks.Item { return c.newestItems(true) }

// newestItems is newest, with whole records unless brief ones will do.
func (c *completion) newestItems(brief bool) []tasks.Item {
	return collect(c, func(h *home, send func(tasks.Item)) {
		if h == nil {
			return
		}
		q, err := h.tasks()
		if err != nil {
			return
		}
		for item := range q.List(tasks.Filter{Limit: completeTasks, Brief: brief}) {
			if item.Err == nil {
				send(item)
			}
		}
	})
}

// newestAndWaiting returns the newest tasks, and behind them the others that wait in the queue, which may be older. Only
// the newest have a number, so that it returns these alone if word is to become one.
func (c *completion) newestAndWaiting(word string) []tasks.Item {
	items := c.newest()
	if strings.HasPrefix(word, "@") {
		return items
	}
	known := map[record.ID]bool{}
	for _, item := range items {
		known[item.ID] = true
	}
	return append(items, slices.DeleteFunc(collect(c, readWaiting), func(item tasks.Item) bool { return known[item.ID] })...)
}

// readWaiting sends tasks that wait in the queue, the oldest first: the newest ones are among the newest tasks.
func readWaiting(h *home, send func(tasks.Item)) {
	if h == nil {
		return
	}
	q, err := h.tasks()
	if err != nil {
		return
	}
	ids, err := q.Waiting.IDs()
	if err != nil {
		return
	}
	slices.SortFunc(ids, func(a, b record.ID) int { return strings.Compare(a.UUID(), b.UUID()) })
	for _, id := range ids[:min(len(ids), completeTasks)] {
		if rec, err := q.Queued(id); err == nil {
			send(tasks.Item{Result: record.Result{ID: id, Record: rec}, Short: id.Short(0)})
		}
	}
}

// queueNames returns the queues with a name for which something is set, or in which a task waits.
func queueNames(h *home) []candidate {
	if h == nil {
		return nil
	}
	q, err := h.tasks()
	if err != nil {
		return nil
	}
	var names []string
	if state, err := h.queue(q).State(); err == nil {
		names = slices.Collect(maps.Keys(state.Queues))
	}
	readWaiting(h, func(item tasks.Item) { names = append(names, item.Record.Data.Queue.Name) })
	slices.Sort(names)
	var found []candidate
	for _, name := range slices.Compact(names) {
		if name != "" && name != queue.DefaultName {
			found = append(found, candidate{name, ""})
		}
	}
	return found
}

// silentHome opens a home for reading without any messages, with the default settings. It
// returns nil if there is nothing to read. Errors are not reported for a key press; the
// command being typed will report them.
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
		return nil // opening the history would create one
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
