// Package prompt reads the answers of people, and waits no longer than a context lasts.
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

// Line reads a line with its end, or what there is of one with the error of reading. Where
// ctx ends first the error is that of ctx, and the reading goes on: nothing else may read
// from in afterwards.
func Line(ctx context.Context, in io.Reader) (string, error) {
	return within(ctx, func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
}

// Terminal asks at the terminal of this process, wherever its standard streams lead. A secret
// answer is not shown as it is typed. Where ctx ends first the error is that of ctx, and the
// terminal is as it was.
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
		// What reads from the terminal reads on, so it is not closed.
		_, werr := fmt.Fprintln(tty)
		return "", errors.Join(ctx.Err(), werr, term.Restore(int(tty.Fd()), state))
	}
	return text, errors.Join(err, tty.Close())
}

// within returns what read does, or the error of ctx as soon as that ends.
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

// read reads a line without its end. It takes no byte of the next one.
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
