package tasks

import (
	"errors"
	"os"
	"slices"
	"strings"

	"qme/executor/capture"
)

// withStreams returns the use cases whose commands have streams like those of the reference: a terminal of its
// size where it had one, and no input but one that is named, or that of the user's terminal where it had a
// terminal.
func (c *checking) withStreams(q *Service, ownInput bool) (*Service, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	c.opened = append(c.opened, null)
	own := *q
	set, t := &own.Settings, c.ref.Record.Data.Terminal
	if in := set.Stdin; !ownInput && (in == nil || capture.Stdin(in).Kind != "terminal" || !t.Has("stdin")) {
		set.Stdin = null
	}
	set.Stdout, set.Stderr = null, null
	if !c.onTerminal() {
		return &own, nil
	}
	master, slave, err := capture.OpenTerminal(t.Columns, t.Rows)
	if err != nil {
		return nil, err
	}
	c.opened = append(c.opened, master, slave)
	if t.Has("stdout") {
		set.Stdout = slave
	}
	if t.Has("stderr") {
		set.Stderr = slave
	}
	return &own, nil
}

// onTerminal reports whether output of the reference went to a terminal.
func (c *checking) onTerminal() bool {
	t := c.ref.Record.Data.Terminal
	return t.Has("stdout") || t.Has("stderr")
}

// oneStream reports whether both streams of the command of a check are one, as those of its reference were.
func (c *checking) oneStream() bool { return c != nil && c.ref.Record.Data.Merged }

// environment returns the environment of the command of a check.
func (c *checking) environment(env []string) []string {
	if c == nil {
		return env
	}
	if c.sandbox != nil {
		env = append(slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "PWD=") || strings.HasPrefix(kv, "OLDPWD=") }), "PWD="+c.sandbox.cwd)
	}
	if t := c.ref.Record.Data.Terminal; c.onTerminal() && t.Name != "" {
		const name = "TERM="
		env = append(slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name) }), name+t.Name)
	}
	return env
}

// input has the command of a check read the file that the reference has read as its standard input, if err
// says that this is as it was. Otherwise it returns err. q is the check's own.
func (c *checking) input(q *Service, err error) error {
	var missing *InputError
	if c == nil || !errors.As(err, &missing) || missing.File == "" {
		return err
	}
	f, err := os.Open(missing.File)
	if err != nil {
		return err
	}
	c.opened = append(c.opened, f)
	q.Settings.Stdin = f
	return nil
}
