package custom

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/executor"
	"qme/executor/section"
)

// A spec is a section as it is written.
type spec struct {
	section section.Section
	match   *section.Match
	capture []string
	refresh *question // nil for commands whose jobs are not followed
	actions []action
}

// A question is a command that tells how a job goes.
type question struct {
	path      []string // where it stands in the section
	cmd       []string
	capture   []string
	join      string // a regular expression; its matches are left out of the answer
	unknown   string // one that matches an answer about a job that is not known
	states    map[string]string
	final     []string
	codes     map[string]int
	limit     time.Duration
	forget    time.Duration // how long a job may be unknown before it is gone
	otherwise *question     // asked where this one does not know the job
}

// An action is a command that does something with a task.
type action struct {
	name, summary string
	path          []string
	cmd           []string
	alters        bool
}

// The defaults of a section.
const (
	askTime    = 30 * time.Second // how long a command may take that tells how a job goes
	forgetTime = 5 * time.Minute
)

func read(s section.Section, shell *executor.Shell) (*spec, error) {
	t := s.Read()
	sp := &spec{section: s, match: t.Match(shell), capture: t.Texts("capture")}
	if in := t.Table("refresh"); in != nil {
		sp.refresh = readQuestion(in, &question{limit: askTime})
		sp.refresh.forget = in.Duration("forget", forgetTime)
		in.Finish()
		if len(sp.capture) == 0 {
			t.Fail("capture", "refresh needs the job's id: give a regular expression with (?P<id>…) in it")
		}
	}
	names, tables := t.Tables("actions")
	for i, in := range tables {
		sp.actions = append(sp.actions, readAction(names[i], in))
	}
	return sp, t.Done()
}

// readQuestion reads a question; keys that it does not have are as in before.
func readQuestion(t *section.Table, before *question) *question {
	q := &question{
		path: t.Path("cmd"), cmd: readCommand(t), capture: t.Texts("capture"), join: t.Text("join"), unknown: t.Text("unknown"),
		states: t.Words("states"), final: t.Texts("final"), codes: t.Codes("returncodes"), limit: t.Duration("timeout", before.limit),
	}
	if len(q.capture) == 0 {
		t.Fail("capture", "it has to say which part of the answer is the state: give a regular expression with (?P<state>…) in it")
	}
	if len(q.states) == 0 {
		q.states = before.states
	}
	if len(q.codes) == 0 {
		q.codes = before.codes
	}
	if q.final == nil {
		q.final = before.final
	}
	if q.final == nil {
		t.Fail("final", "it has to list the states after which no other follows")
	}
	if in := t.Table("else"); in != nil {
		q.otherwise = readQuestion(in, q)
		in.Finish()
	}
	return q
}

func readAction(name string, t *section.Table) action {
	a := action{name: name, summary: t.Text("summary"), path: t.Path("cmd"), cmd: readCommand(t), alters: t.Bool("alters")}
	if strings.HasPrefix(name, "-") || strings.ContainsAny(name, " \t@") {
		t.Fail("", "%q is no name for an action: it is one word, without @, that does not begin with -", name)
	}
	if a.summary == "" {
		a.summary = "run " + executor.Quote(a.cmd)
	}
	t.Finish()
	return a
}

func readCommand(t *section.Table) []string {
	cmd := t.Texts("cmd")
	switch {
	case len(cmd) == 0:
		t.Fail("cmd", `it is missing: a list of the program and its arguments, such as ["qstat", "{id}"]`)
		return nil
	case strings.TrimSpace(cmd[0]) == "" || len(placeholders(cmd[0])) > 0:
		t.Fail("cmd", "its first element has to name a program, without placeholders")
	}
	if i := spliced(cmd); i >= 0 {
		t.Fail("cmd", `%q is a command line for a shell, which would read a value as commands: hand it over as an argument, as in ["sh", "-c", 'qstat "$1"', "sh", "{id}"]`, cmd[i])
	}
	return cmd
}

// shells are the programs whose option -c is followed by a command line.
var shells = []string{"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "csh", "tcsh", "busybox", "su", "runuser"}

// spliced returns which argument is a command line for a shell that a placeholder would
// become a part of, -1 when none is.
func spliced(cmd []string) int {
	shell := false
	for i, arg := range cmd {
		if shell && i+1 < len(cmd) && arg != "--" && strings.HasPrefix(arg, "-") && strings.HasSuffix(arg, "c") && len(placeholders(cmd[i+1])) > 0 {
			return i + 1
		}
		shell = shell || slices.Contains(shells, filepath.Base(arg))
	}
	return -1
}
