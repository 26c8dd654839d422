package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width returns the terminal's number of columns, 0 where stdout is none.
func (a *app) width() int {
	if !isTerminal(a.out) {
		return 0
	}
	w, _, err := term.GetSize(int(a.out.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// A palette colours text, or leaves it as it is.
type palette struct{ on bool }

func (p palette) plain(s string) string  { return s }
func (p palette) red(s string) string    { return p.sgr("31", s) }
func (p palette) green(s string) string  { return p.sgr("32", s) }
func (p palette) yellow(s string) string { return p.sgr("33", s) }
func (p palette) bold(s string) string   { return p.sgr("1", s) }

func (p palette) sgr(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// palette follows --no-color, the setting color, NO_COLOR (no-color.org) and
// whether stdout is a terminal.
func (a *app) palette() palette {
	mode := "auto"
	if a.cfg != nil {
		mode = a.cfg.String("color")
	}
	switch {
	case a.noColor || mode == "never":
		return palette{}
	case mode == "always":
		return palette{on: true}
	}
	return palette{on: isTerminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// pager returns where a long listing goes: to a pager on a terminal, else to
// stdout. close waits for the pager to end.
func (a *app) pager(never bool) (out io.Writer, wait func() error, err error) {
	none := func() error { return nil }
	cfg, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	program := cmp.Or(cfg.String("pager"), os.Getenv("PAGER"))
	if program == "" {
		if _, err := exec.LookPath("less"); err == nil {
			program = "less"
		}
	}
	if never || a.noPager || !isTerminal(a.out) || program == "" || program == "cat" {
		return a.out, none, nil
	}
	cmd := exec.Command("sh", "-c", program)
	cmd.Stdout, cmd.Stderr = a.out, a.err
	if os.Getenv("LESS") == "" {
		// As git does: end at once when all fits on the screen, keep colours.
		cmd.Env = append(os.Environ(), "LESS=FRX")
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the pager %q: %w (--no-pager, or qme config pager cat)", program, err)
	}
	return in, func() error {
		_ = in.Close() // it may have ended before the end of the listing
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			return err
		}
		return nil
	}, nil
}

// outputError makes a reader that has read enough the normal end it is.
func outputError(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) {
		return errPagerGone
	}
	return err
}
