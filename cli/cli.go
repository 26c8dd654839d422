// Package cli is the command line of qme: the commands, one file each, how their
// results are shown, and the exit codes.
package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/executor/capture"
	"qme/internal/lazy"
	"qme/internal/near"
)

// Main runs the program with the process's own arguments and streams and returns
// its exit code. A helper process (see capture.Helper) does not return from it, nor does one
// whose command was ended by a signal: it ends by the same.
func Main() int {
	capture.Helper()
	// A command is short and its memory small: collect less often.
	debug.SetGCPercent(200)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, noZone: !localTime()}
	if err := capture.Able(); err != nil {
		a.say("qme: %v", err)
		return exitNotRun
	}
	code := a.exitCode(a.start(os.Args))
	if cerr := a.close(); cerr != nil && code == 0 {
		a.say("qme: %v", cerr)
		code = exitFailure
	}
	if a.endedBy != 0 {
		// A shell stops a loop only when it sees that Ctrl-C has ended what it waits for.
		capture.Die(a.endedBy)
	}
	return code
}

// start runs the command that argv names.
func (a *app) start(argv []string) error {
	root := a.root()
	out := &noticing{to: a.out}
	root.Writer = out
	argv, err := arrange(root, argv)
	if err != nil {
		return err
	}
	if err := root.Run(context.Background(), argv); err != nil {
		return err
	}
	return outputError(out.err)
}

// noticing keeps the first error in writing: the library, which writes help, drops it.
type noticing struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (n *noticing) Write(p []byte) (int, error) {
	written, err := n.to.Write(p)
	if n.err == nil {
		n.err = err
	}
	return written, err
}

const description = `qme run CMD… runs any command and records what happened: the command, its
directory, user, time, output, error output, return code and resources. Each task is
one record in a git repository below ~/.qme.`

func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name:            "qme",
		Usage:           "run commands and record what happened",
		Description:     description,
		Version:         version(),
		HideHelpCommand: true,
		Reader:          a.in,
		ErrWriter:       a.err,
		ExitErrHandler:  func(context.Context, *cli.Command, error) {}, // see exitCode
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "home", Aliases: []string{"config_dir"}, Usage: "keep tasks and settings in `DIR`", Sources: cli.EnvVars(homeVariable), Destination: &a.home, TakesFile: true},
			&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "record `TEXT` as the purpose of the run", Destination: &a.message},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print no output of the command, and no messages but errors", Destination: &a.quiet},
			&cli.StringFlag{Name: "color", Usage: "print colours `WHEN`: always, never, or auto, on terminals", Destination: &a.color},
			&cli.BoolFlag{Name: "no-color", Usage: "print no colours (so does NO_COLOR)", Destination: &a.noColor},
			&cli.BoolFlag{Name: "no-pager", Usage: "show long listings without a pager", Destination: &a.noPager},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			args := c.Args().Slice()
			if len(args) > 1 && args[0] == "help" && args[1] != "help" {
				return unknownCommand(c, args[1:])
			}
			if len(args) == 0 || args[0] == "help" {
				return cli.ShowRootCommandHelp(c)
			}
			return unknownCommand(c, args)
		},
		Commands: []*cli.Command{
			a.runCommand(), a.rerunCommand(), a.cancelCommand(), a.waitCommand(), a.refreshCommand(), a.execCommand(),
			a.lsCommand(), a.searchCommand(), a.getCommand(), a.logCommand(), a.diffCommand(), a.clearCommand(),
			a.remoteCommand(), a.cloneCommand(), a.pullCommand(), a.pushCommand(), a.syncCommand(), a.statusCommand(),
			a.mirrorCommand(), a.sqlCommand(),
			a.startCommand(), a.generateKeyCommand(),
			a.configCommand(), a.checkCommand(), a.gcCommand(), a.gitCommand(), a.completionCommand(), a.versionCommand(),
			a.completeCommand(),
		},
	}
	for _, c := range append(root.Commands, root) {
		c.OnUsageError = usageErrorOf
		if c != root {
			c.HideHelpCommand = true
		}
	}
	return root
}

func usageErrorOf(_ context.Context, c *cli.Command, err error, _ bool) error {
	return &usageError{msg: inOurWords(err.Error()), help: c.FullName() + " --help"}
}

// libraryErrors are how the library words what is wrong with an option, and how we do.
// Most of it arrange has found before.
var libraryErrors = []struct {
	theirs func() *regexp.Regexp
	ours   string
}{
	{lazy.Regexp(`^invalid value "(.*)" for (?:flag|argument) -*([^:]+)(?:: .*)?$`), `--$2 cannot be "$1"`},
	{lazy.Regexp(`^flag provided but not defined: -*(.*)$`), `unknown option --$1`},
	{lazy.Regexp(`^flag needs an argument: -*(.*)$`), `--$1 needs a value`},
	{lazy.Regexp(`^(?:invalid boolean value|parse error) "?(.*?)"? for -*([^:]+)(?:: .*)?$`), `--$2 cannot be "$1"`},
}

// inOurWords says an error of the library as the rest of the program would.
func inOurWords(msg string) string {
	for _, e := range libraryErrors {
		if e.theirs().MatchString(msg) {
			return e.theirs().ReplaceAllString(msg, e.ours)
		}
	}
	return msg
}

// unknownCommand says what was probably meant by words that begin with no command.
func unknownCommand(c *cli.Command, words []string) error {
	name := words[0]
	msg := fmt.Sprintf("there is no command %q", name)
	var names []string
	for _, known := range c.Commands {
		if !known.Hidden {
			names = append(names, known.Names()...)
		}
	}
	lower := strings.ToLower(name)
	if best := cmp.Or(elsewhere[lower], near.Best(lower, names)); best != "" {
		msg += fmt.Sprintf("; did you mean %q?", best)
	}
	return &usageError{msg: msg + fmt.Sprintf(" (to run and record it: qme run %s)", executor.Quote(words)), help: "qme --help"}
}

// atMost refuses arguments that a command has no use for, and empty ones.
func atMost(c *cli.Command, n int) error {
	// "" is a variable that was not set, and not a wish for the default.
	if slices.Contains(c.Args().Slice(), "") {
		return &usageError{msg: c.Name + " was given an empty argument", help: c.FullName() + " --help"}
	}
	if c.Args().Len() > n {
		return &usageError{msg: fmt.Sprintf("%s takes no argument %q", c.Name, c.Args().Get(n)), help: c.FullName() + " --help"}
	}
	return nil
}

// oneTask is atMost for commands that take a task, and no run of it.
func oneTask(c *cli.Command) error {
	if err := atMost(c, 1); err != nil {
		return err
	}
	ref := c.Args().First()
	if i := strings.LastIndexByte(ref, '@'); i > 0 {
		return &usageError{msg: fmt.Sprintf("%q names one run: %s takes a whole task, as in %s", ref, c.Name, ref[:i]), help: c.FullName() + " --help"}
	}
	return nil
}
