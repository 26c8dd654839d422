// Package cli is the command line of qme: the commands, one file each, the display of
// their results, and the exit codes.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/executor/capture"
	"qme/internal/lazy"
	"qme/internal/near"
	"qme/tasks"
)

// Main runs the program with the arguments and streams of the process and returns the
// exit code. It does not return in a helper process (see tasks.Helper), nor if a signal
// ended the command that was run: the process then ends by the same signal.
func Main() int {
	tasks.Helper()
	// A command is short and its memory small: collect less often.
	debug.SetGCPercent(200)
	a := newApp(&terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, noZone: !localTime()})
	if err := capture.Able(); err != nil {
		a.term.say("qme: %v", err)
		return exitNotRun
	}
	err := a.start(os.Args)
	code := a.exitCode(err)
	if cerr := a.home.close(); cerr != nil && code == 0 {
		a.term.say("qme: %v", cerr)
		code = exitFailure
	}
	var ended *signalError
	if errors.As(err, &ended) {
		// A shell stops a loop on Ctrl-C only if the process it waits for died of the
		// signal.
		capture.Die(ended.signal)
	}
	return code
}

// An app is one invocation.
type app struct {
	term     *terminal
	settings *settings
	home     *home
}

func newApp(t *terminal) *app {
	s := &settings{term: t}
	return &app{t, s, &home{term: t, settings: s}}
}

// start runs the command that argv names.
func (a *app) start(argv []string) error {
	root := a.root()
	out := &noticing{to: a.term.out}
	root.Writer = out
	argv, named, err := arrange(root, argv)
	if err != nil {
		return err
	}
	hideMessage(root, named)
	if named != root && !named.Hidden { // the hidden one, completion, asks for the others
		root.Commands = []*cli.Command{named} // the library prepares all that it is given
		named.Before = func(ctx context.Context, _ *cli.Command) (context.Context, error) {
			a.home.putBack(ctx)
			return ctx, nil
		}
	}
	if err := root.Run(context.Background(), argv); err != nil {
		return err
	}
	return outputError(out.err)
}

// noticing keeps the first write error, since the library that writes help drops errors.
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
		Reader:          a.term.in,
		ErrWriter:       a.term.err,
		ExitErrHandler:  func(context.Context, *cli.Command, error) {}, // see exitCode
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "home", Aliases: []string{"config_dir"}, Usage: "keep tasks and settings in `DIR`", Sources: cli.EnvVars(homeVariable), Destination: &a.term.homeFlag, TakesFile: true},
			&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "record `TEXT` as the purpose of the run (run, rerun, add and sweep)", Destination: &a.settings.message},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print no messages but errors; the output of a command is shown (run --no-output hides that)", Destination: &a.term.quiet},
			&cli.StringFlag{Name: "color", Usage: "print colours `WHEN`: always, never, or auto, on terminals", Destination: &a.term.color},
			&cli.BoolFlag{Name: "no-color", Usage: "print no colours (so does NO_COLOR)", Destination: &a.term.noColor},
			&cli.BoolFlag{Name: "no-pager", Usage: "show long listings without a pager", Destination: &a.term.noPager},
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
		Commands: a.commands(),
	}
	for _, c := range append(root.Commands, root) {
		c.OnUsageError = usageErrorOf
		if c != root {
			c.HideHelpCommand = true
		}
	}
	return root
}

// commands returns the commands in the order of the help.
func (a *app) commands() []*cli.Command {
	t, s, h := a.term, a.settings, a.home
	share := &shareCommand{t, s, h}
	return []*cli.Command{
		(&runCommand{t, s, h}).command(), (&rerunCommand{t, s, h}).command(), (&addCommand{t, s, h}).command(), (&sweepCommand{addCommand{t, s, h}}).command(), (&queueCommand{t, s, h}).command(), (&holdCommand{t, h}).command(), (&releaseCommand{t, h}).command(), (&editCommand{t, s, h}).command(), (&cancelCommand{t, h}).command(), (&waitCommand{t, s, h}).command(), (&followCommand{t, s, h}).command(), (&refreshCommand{t, h}).command(), (&execCommand{t, s, h}).command(),
		(&lsCommand{t, s, h}).command(), (&searchCommand{t, s, h}).command(), (&tableCommand{t, h}).command(), (&showCommand{t, s, h}).command(), (&getCommand{t, h}).command(), (&logCommand{t, h}).command(), (&madeCommand{t, h}).command(), (&lineageCommand{t, h}).command(), (&diffCommand{t, h}).command(), (&staleCommand{t, h}).command(), (&checkoutCommand{t, h}).command(), (&noteCommand{t, h}).command(), (&tagCommand{t, s, h}).command(), (&nameCommand{t, h}).command(), (&clearCommand{t, s, h}).command(), (&restoreCommand{t, s, h}).command(),
		(&remoteCommand{t, h}).command(), (&cloneCommand{t, h}).command(), share.pull(), share.push(), share.sync(), (&statusCommand{t, s, h}).command(),
		(&mirrorCommand{t, s, h}).command(), (&sqlCommand{t, s, h}).command(),
		(&startCommand{t, s, h}).command(), (&generateKeyCommand{t, s}).command(),
		(&configCommand{t, s}).command(), (&checkCommand{t, s, h}).command(), (&gcCommand{t, h}).command(), (&gitCommand{h}).command(), completionCommand(t), versionCommand(t),
		(&completeCommand{t}).command(),
	}
}

func usageErrorOf(_ context.Context, c *cli.Command, err error, _ bool) error {
	return &usageError{msg: inOurWords(err.Error()), help: c.FullName() + " --help"}
}

// libraryErrors maps the library's messages about options to our own. Most of these
// mistakes have already been reported by arrange.
var libraryErrors = []struct {
	theirs func() *regexp.Regexp
	ours   string
}{
	{lazy.Regexp(`^invalid value "(.*)" for (?:flag|argument) -*([^:]+)(?:: .*)?$`), `--$2 cannot be "$1"`},
	{lazy.Regexp(`^flag provided but not defined: -*(.*)$`), `unknown option --$1`},
	{lazy.Regexp(`^flag needs an argument: -*(.*)$`), `--$1 needs a value`},
	{lazy.Regexp(`^(?:invalid boolean value|parse error) "?(.*?)"? for -*([^:]+)(?:: .*)?$`), `--$2 cannot be "$1"`},
}

// inOurWords rewords an error of the library like the errors of the rest of the program.
func inOurWords(msg string) string {
	for _, e := range libraryErrors {
		if e.theirs().MatchString(msg) {
			return e.theirs().ReplaceAllString(msg, e.ours)
		}
	}
	return msg
}

// unknownCommand returns the error for words that begin with no command, with the most
// similar command.
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
	if _, err := exec.LookPath(name); err == nil {
		names = nil // "qme make" means the program
	}
	if best := cmp.Or(elsewhere[lower], near.Best(lower, names)); best != "" {
		msg += fmt.Sprintf("; did you mean %q?", best)
	}
	return &usageError{msg: msg + fmt.Sprintf(" (to run and record it: qme run %s)", executor.Quote(words)), help: "qme --help"}
}

// atMost returns an error if there are more than n arguments, or an empty one.
func atMost(c *cli.Command, n int) error {
	// "" is most likely a variable that is not set, not a wish for the default.
	if slices.Contains(c.Args().Slice(), "") {
		return &usageError{msg: c.Name + " was given an empty argument", help: c.FullName() + " --help"}
	}
	if c.Args().Len() > n {
		return &usageError{msg: fmt.Sprintf("%s takes no argument %q", c.Name, c.Args().Get(n)), help: c.FullName() + " --help"}
	}
	return nil
}

// wholeTasks returns the arguments of a command that takes whole tasks. The error names all that are
// single runs.
func wholeTasks(c *cli.Command) ([]string, error) {
	refs := c.Args().Slice()
	if err := atMost(c, len(refs)); err != nil {
		return nil, err
	}
	var runs []string
	for _, ref := range refs {
		if err := wholeTask(c, ref); err != nil {
			runs = append(runs, err.Error())
		}
	}
	if len(runs) > 0 {
		return nil, &usageError{msg: strings.Join(runs, "\n"), help: c.FullName() + " --help"}
	}
	return refs, nil
}

// oneTask is atMost for commands that take one whole task, not one of its runs.
func oneTask(c *cli.Command) error {
	if err := atMost(c, 1); err != nil {
		return err
	}
	return wholeTask(c, c.Args().First())
}

// wholeTask returns an error if a reference names one run of a task.
func wholeTask(c *cli.Command, ref string) error {
	if i := strings.LastIndexByte(ref, '@'); i > 0 {
		return &usageError{msg: fmt.Sprintf("%q names one run: %s takes a whole task, as in %s", ref, c.Name, ref[:i]), help: c.FullName() + " --help"}
	}
	return nil
}
