package cli

import (
	"bufio"
	"cmp"
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

// A terminal holds the streams of an invocation and prints messages for the user.
type terminal struct {
	in, out, err *os.File

	homeFlag                string // --home, repeated by command lines in messages
	color                   string // --color
	quiet, noColor, noPager bool
	silent                  bool // nothing is printed or written to caches
	noZone                  bool // TZ is invalid and has not been reported yet

	colorSetting, pagerSetting, summarySetting string // set once the settings are read
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width returns the number of columns of the terminal, 0 if stdout is not a terminal.
func (t *terminal) width() int { return widthOf(t.out) }

// widthOf returns the number of columns of a file that is a terminal, else 0.
func widthOf(f *os.File) int {
	if !isTerminal(f) {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// A palette colours text, or returns it unchanged.
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

// palette returns the palette for stdout.
func (t *terminal) palette() palette { return t.paletteOf(t.out) }

// paletteOf returns the palette for a file. It follows, in this order, --color and
// --no-color, the setting color, NO_COLOR (no-color.org), CLICOLOR_FORCE and FORCE_COLOR,
// CLICOLOR=0 (bixense.com/clicolors), and whether the file is a terminal with colours.
func (t *terminal) paletteOf(f *os.File) palette {
	mode := t.color
	if t.noColor {
		mode = "never"
	}
	mode = cmp.Or(mode, t.colorSetting)
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

// forced reports whether a variable is set to a value other than 0 or false.
func forced(name string) bool {
	value := os.Getenv(name)
	return value != "" && value != "0" && value != "false"
}

// listing calls print to write a long listing: to a pager on a terminal, else to stdout. An
// empty listing starts no pager.
// It returns errPagerGone if the reader stops early.
func (t *terminal) listing(never bool, print func(w *bufio.Writer) error) error {
	out := &lazyPager{start: func() (io.Writer, func() error, error) { return t.pager(never) }}
	to := &noticing{to: out}
	w := newFlusher(to)
	err := print(w)
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	switch {
	case out.failed != nil:
		return out.failed
	case to.err != nil: // print has not failed otherwise
		err = outputError(to.err)
	}
	return errors.Join(err, out.end())
}

// A lazyPager starts a pager when something is written, so that there is none for an empty listing.
type lazyPager struct {
	start  func() (io.Writer, func() error, error)
	to     io.Writer // nil before the start
	wait   func() error
	failed error // of start
}

// Write implements io.Writer.
func (p *lazyPager) Write(b []byte) (int, error) {
	if p.to == nil && p.failed == nil {
		p.to, p.wait, p.failed = p.start()
	}
	if p.failed != nil {
		return 0, p.failed
	}
	return p.to.Write(b)
}

// end waits until the pager has ended, if it was started.
func (p *lazyPager) end() error {
	if p.wait == nil {
		return nil
	}
	return p.wait()
}

// pager returns the writer for a long listing: a pager on a terminal, else stdout. wait
// waits until the pager has ended.
func (t *terminal) pager(never bool) (out io.Writer, wait func() error, err error) {
	none := func() error { return nil }
	program := pagerProgram(t.pagerSetting)
	if never || t.noPager || !isTerminal(t.out) || dumb() || program == "" || program == "cat" {
		return t.out, none, nil
	}
	if name := missingProgram(program); name != "" {
		return t.out, func() error {
			t.warn("there is no pager %q, so this was listed without; set PAGER or \"qme config pager\" to another, or to cat for none", name)
			return nil
		}, nil
	}
	return t.startPager(program)
}

// dumb reports whether the terminal can only print text, as in Emacs; a pager would
// complain.
func dumb() bool { return os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" }

// pagerProgram returns the command line of the pager, "" for none: the setting or, if
// that is empty, the value of PAGER, which may be set to nothing.
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

// missingProgram returns the program of a command line if no such program exists. It
// returns "" if the program exists or only the shell can tell.
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

func (t *terminal) startPager(program string) (out io.Writer, wait func() error, err error) {
	cmd := exec.Command("sh", "-c", program)
	cmd.Stdout, cmd.Stderr = t.out, t.err
	if os.Getenv("LESS") == "" {
		// As in git: exit at once if all fits on the screen, keep colours.
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
		_ = in.Close() // the pager may have exited early
		err := cmd.Wait()
		var exit *exec.ExitError
		if err == nil || errors.As(err, &exit) && exit.ExitCode() != 126 && exit.ExitCode() != 127 {
			return nil // a failure of the pager itself is not an error of qme
		}
		return noPager(err)
	}, nil
}

// outputError returns errPagerGone if the reader closed the output, else err.
func outputError(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) {
		return errPagerGone
	}
	return err
}

// printJSON prints a value as one JSON document, indented.
func (t *terminal) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.out, string(safe.JSON(b)))
	return err
}

// writeJSON writes a value as JSON on a line of its own.
func writeJSON(w io.Writer, v any) error {
	b, err := marshalCell(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(safe.JSON(b), '\n'))
	return err
}

var errPagerGone = errors.New("the pager has ended")
