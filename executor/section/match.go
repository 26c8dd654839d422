package section

import (
	"path/filepath"
	"regexp"
	"strings"

	"qme/executor"
)

// A Match says which commands an executor takes.
type Match struct {
	name    string
	shell   *executor.Shell
	program string         // base name of the first word, or ""
	line    *regexp.Regexp // or nil
}

// Match reads the keys match and match_program, one of which there has to be. shell
// says how the command is then run.
func (t *Table) Match(shell *executor.Shell) *Match {
	m := &Match{name: t.section.Name, shell: shell, program: t.Text("match_program")}
	if expr := t.Text("match"); expr != "" {
		var err error
		if m.line, err = regexp.Compile(expr); err != nil {
			t.Fail("match", "%v", err)
		}
	}
	switch {
	case m.program == "" && m.line == nil:
		t.Fail("", "it says with neither match nor match_program which commands it takes")
	case strings.Contains(m.program, "/"):
		t.Fail("match_program", "%q is a path; it takes a name alone, such as %q", m.program, filepath.Base(m.program))
	}
	return m
}

// Recognise is that of executor.Executor.
func (m *Match) Recognise(words []string) (executor.Command, bool) {
	c, ok := m.shell.Recognise(words)
	if !ok || !m.takes(c, words[0]) {
		return executor.Command{}, false
	}
	c.Executor = m.name
	return c, true
}

func (m *Match) takes(c executor.Command, first string) bool {
	if m.program != "" {
		if c.Line == first && len(c.Argv) > 1 { // a command line
			first = firstWord(first)
		}
		if filepath.Base(first) != m.program {
			return false
		}
	}
	return m.line == nil || m.line.MatchString(c.Line)
}

func firstWord(line string) string {
	words := strings.Fields(line)
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
