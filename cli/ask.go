package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"qme/internal/prompt"
)

// ask asks a question and returns nil only for a yes. no is the error for any other
// answer, and hint is appended to it.
func (t *terminal) ask(ctx context.Context, question string, no codeError, hint string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	t.show(question + "? [n]|y:")
	line, err := prompt.Line(ctx, t.in)
	if !isTerminal(t.in) || !strings.HasSuffix(line, "\n") {
		t.show("\n") // the terminal has not shown one
	}
	switch {
	case ctx.Err() != nil:
		return &codeError{exitInterrupted, fmt.Errorf("interrupted; %w", no.err)}
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &codeError{no.code, fmt.Errorf("%w%s", no.err, hint)}
}

// remoteMessages returns the writer for messages of a remote: the standard error output,
// or nil with --quiet.
func (t *terminal) remoteMessages() io.Writer {
	if t.quiet {
		return nil
	}
	return t.err
}

// asker returns a function that asks for names and passwords on the terminal until ctx
// ends. It returns nil if there is no terminal.
func (t *terminal) asker(ctx context.Context) func(string, bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	_ = tty.Close() // opened again for each question
	if !isTerminal(t.err) {
		return nil
	}
	return func(text string, secret bool) (string, error) { return prompt.Terminal(ctx, text, secret) }
}
