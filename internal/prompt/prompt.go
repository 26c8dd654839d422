// Package prompt reads answers of the user until a context ends.
package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"qme/internal/safe"
)

// Line reads a line including its newline, or an incomplete line with the error of
// reading. If ctx ends first, the error is that of ctx. The read then continues in the
// background, so the caller must not read from in afterwards.
func Line(ctx context.Context, in io.Reader) (string, error) {
	return within(ctx, func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
}

// Terminal prompts on the terminal of this process, regardless of its standard streams. A
// secret answer is not echoed. If ctx ends first, the error is that of ctx, and the
// terminal is restored.
func Terminal(ctx context.Context, prompt string, secret bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	state, err := term.GetState(int(tty.Fd()))
	if err == nil {
		_, err = fmt.Fprint(tty, safe.Line(prompt))
	}
	if err != nil {
		return "", errors.Join(err, tty.Close())
	}
	text, err := within(ctx, func() (string, error) { return read(tty, secret) })
	if ctx.Err() != nil {
		// The read continues in the background, so the terminal is not closed.
		_, werr := fmt.Fprintln(tty)
		return "", errors.Join(ctx.Err(), werr, term.Restore(int(tty.Fd()), state))
	}
	return text, errors.Join(err, tty.Close())
}

// within returns the result of read, or the error of ctx as soon as ctx ends.
func within(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := read()
		answered <- answer{text, err}
	}()
	select {
	case got := <-answered:
		return got.text, got.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// read reads a line without its newline. It reads no byte beyond.
func read(tty *os.File, secret bool) (string, error) {
	if secret {
		b, err := term.ReadPassword(int(tty.Fd()))
		_, perr := fmt.Fprintln(tty)
		return string(b), errors.Join(err, perr)
	}
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := tty.Read(one)
		if n == 0 || err != nil {
			return "", errors.Join(err, errors.New("nothing was entered"))
		}
		if one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[0])
	}
}
