package tasks

import (
	"errors"
	"os"
	"slices"
	"strings"

	"qme/executor/capture"
	"qme/record"
)

// inPlaceOf returns the use cases whose commands have streams like those of a run: a terminal of its size
// where it had one, one stream for both where it had one, and no input but one that is named, or that of
// the user's terminal where it had a terminal. close must be called at the end.
func (q *Service) inPlaceOf(was *record.Record, ownInput bool) (like *Service, close func(), err error) {
	own := *q
	var opened []*os.File
	close = func() {
		for _, f := range opened {
			_ = f.Close() // nothing was written to it
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	opened = append(opened, null)
	t := was.Data.Terminal
	set := &own.Settings
	if in := set.Stdin; !ownInput && (in == nil || capture.Stdin(in).Kind != "terminal" || !t.Has("stdin")) {
		set.Stdin = null
	}
	set.Stdout, set.Stderr = null, null
	if t.Has("stdout") || t.Has("stderr") {
		master, slave, err := capture.OpenTerminal(t.Columns, t.Rows)
		if err != nil {
			close()
			return nil, nil, err
		}
		opened = append(opened, master, slave)
		if t.Has("stdout") {
			set.Stdout = slave
		}
		if t.Has("stderr") {
			set.Stderr = slave
		}
	}
	return &own, close, nil
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
	if t := c.ref.Record.Data.Terminal; t != nil && t.Name != "" && (t.Has("stdout") || t.Has("stderr")) {
		const name = "TERM="
		for i, kv := range env {
			if strings.HasPrefix(kv, name) {
				env[i] = name + t.Name
				return env
			}
		}
		env = append(env, name+t.Name)
	}
	return env
}

// input opens the file that the reference has read as its standard input, if that is as it was.
func (c *checking) input(err error) (*os.File, error) {
	var missing *InputError
	if c == nil || !errors.As(err, &missing) || missing.File == "" {
		return nil, err
	}
	return os.Open(missing.File)
}
