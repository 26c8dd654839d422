package executor

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"qme/record"
)

// ShellName is the name of Shell.
const ShellName = "shell"

// Shell is the executor of all commands that no other recognises.
type Shell struct {
	// Program runs command lines, such as "sh".
	Program string
}

// Name implements Executor.
func (s *Shell) Name() string { return ShellName }

// Recognise takes every command. One word alone that a shell would not read as the name
// of a program, because it has spaces or shell syntax in it, is a command line for
// Program, unless there is a program of exactly that name.
func (s *Shell) Recognise(words []string) (Command, bool) {
	if len(words) == 1 && isCommandLine(words[0]) && !isProgram(words[0]) {
		return Command{Executor: ShellName, Argv: []string{s.Program, "-c", words[0]}, Line: words[0]}, true
	}
	return Command{Executor: ShellName, Argv: words, Line: Quote(words)}, true
}

// syntax are the characters that mean something to a POSIX shell (POSIX.1-2017,
// XCU 2.2), "=" of an assignment, and white space.
const syntax = "|&;<>()$`\\\"'*?[]#~=%!{} \t\n"

func isCommandLine(word string) bool { return strings.ContainsAny(word, syntax) }

func isProgram(path string) bool {
	if !strings.Contains(path, string(filepath.Separator)) {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Actions implements Executor.
func (s *Shell) Actions() []Action {
	return []Action{
		{Name: "output", Summary: "print its output", Do: printStream(record.Stdout)},
		{Name: "error", Summary: "print its error output", Do: printStream(record.Stderr)},
		{Name: "cancel", Summary: "end the task if it is running", Alters: true, Do: func(ctx context.Context, c *Call) error {
			return c.Host.Cancel(ctx)
		}},
	}
}

func printStream(name record.StreamName) func(context.Context, *Call) error {
	return func(_ context.Context, c *Call) error { return c.PrintRecorded(name) }
}
