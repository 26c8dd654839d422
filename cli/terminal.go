package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/term"

	"qme/internal/safe"
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
func (p palette) match(s string) string  { return p.sgr("1;31", s) }

func (p palette) sgr(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// palette is for stdout.
func (a *app) palette() palette { return a.paletteOf(a.out) }

// paletteOf follows, in this order, --color and --no-color, the setting color, NO_COLOR
// (no-color.org), CLICOLOR_FORCE and FORCE_COLOR, CLICOLOR=0 (bixense.com/clicolors), and
// whether the file is a terminal that has colours.
func (a *app) paletteOf(f *os.File) palette {
	mode := a.color
	if a.noColor {
		mode = "never"
	}
	if mode == "" && a.cfg != nil {
		mode = a.cfg.String("color")
	}
	switch {
	case mode == "always", mode == "never":
		return palette{on: mode == "always"}
	case os.Getenv("NO_COLOR") != "":
		return palette{}
	case forced("CLICOLOR_FORCE"), forced("FORCE_COLOR"):
		return palette{on: true}
	}
	return palette{on: os.Getenv("CLICOLOR") != "0" && isTerminal(f) && os.Getenv("TERM") != "dumb"}
}

// forced says whether a variable is set to more than a no.
func forced(name string) bool {
	value := os.Getenv(name)
	return value != "" && value != "0" && value != "false"
}

// pager returns where a long listing goes: to a pager on a terminal, else to
// stdout. wait waits for the pager to end.
func (a *app) pager(never bool) (out io.Writer, wait func() error, err error) {
	none := func() error { return nil }
	cfg, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	program := pagerProgram(cfg.String("pager"))
	if never || a.noPager || !isTerminal(a.out) || dumb() || program == "" || program == "cat" {
		return a.out, none, nil
	}
	if name := missingProgram(program); name != "" {
		return a.out, func() error {
			a.warn("there is no pager %q, so this was listed without; set PAGER or \"qme config pager\" to another, or to cat for none", name)
			return nil
		}, nil
	}
	return a.startPager(program)
}

// dumb says whether the terminal can do no more than print, as in Emacs: a pager would
// complain.
func dumb() bool { return os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" }

// pagerProgram returns the command line of the pager, "" for none: the setting's
// or, when that is empty, that of PAGER, which may be set to nothing.
func pagerProgram(setting string) string {
	if setting != "" {
		return strings.TrimSpace(setting)
	}
	if program, ok := os.LookupEnv("PAGER"); ok {
		return strings.TrimSpace(program)
	}
	if _, err := exec.LookPath("less"); err != nil {
		return ""
	}
	return "less"
}

// missingProgram returns the program of a command line when there is none of that
// name, "" when there is one or only the shell can know.
func missingProgram(line string) string {
	for word := range strings.FieldsSeq(line) {
		name, _, isAssignment := strings.Cut(word, "=")
		switch {
		case strings.ContainsAny(word, "$`'\"\\~(){}*?[]|&;<>#"):
			return ""
		case isAssignment && name != "":
			continue
		}
		if _, err := exec.LookPath(word); err == nil {
			return ""
		}
		if exec.Command("sh", "-c", `command -v -- "$1"`, "sh", word).Run() == nil {
			return "" // such as "exec less"
		}
		return word
	}
	return ""
}

func (a *app) startPager(program string) (out io.Writer, wait func() error, err error) {
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
	noPager := func(err error) error {
		return &codeError{exitFailure, fmt.Errorf("the pager %q cannot be run: %w; list with --no-pager", program, err)}
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, noPager(err)
	}
	return in, func() error {
		_ = in.Close() // it may have ended before the end of the listing
		err := cmd.Wait()
		var exit *exec.ExitError
		if err == nil || errors.As(err, &exit) && exit.ExitCode() != 126 && exit.ExitCode() != 127 {
			return nil // how it ended is between the user and the pager
		}
		return noPager(err)
	}, nil
}

// outputError makes a reader that has read enough the normal end it is.
func outputError(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) {
		return errPagerGone
	}
	return err
}

// printJSON prints a value as one JSON document, indented.
func (a *app) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, string(safe.JSON(b)))
	return err
}
