package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"qme/executor"
	"qme/gitstore"
	"qme/mirror"
	"qme/record"
	"qme/tasks"
)

// The exit codes, as documented in docs/exit-codes.md. run and rerun return the code of
// the command.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitAmbiguous   = 4
	exitConflict    = 5
	exitCorrupt     = 6
	exitNewerFormat = 7
	exitRemote      = 8
	exitNotYet      = 9
	exitTimeout     = 124
	exitNotRun      = 125
	exitInterrupted = 130
)

// A usageError is a mistake in the command line.
type usageError struct{ msg, help string }

// Error implements error.
func (e *usageError) Error() string { return e.msg }

// An interruptedError describes the state after the user has interrupted a command. It is
// a context.Canceled.
type interruptedError struct{ msg string }

// Error implements error.
func (e *interruptedError) Error() string { return e.msg }

// Is makes the error a context.Canceled.
func (e *interruptedError) Is(target error) bool { return target == context.Canceled }

// A codeError carries an exit code and, if its text is not empty, a message.
type codeError struct {
	code int
	err  error
}

// Error implements error.
func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *codeError) Unwrap() error { return e.err }

// A signalError says that a signal ended the command that was run; qme ends itself by the
// same signal.
type signalError struct {
	code   *codeError
	signal syscall.Signal
}

// Error implements error.
func (e *signalError) Error() string { return e.code.Error() }

// Unwrap returns the exit code to use if the signal does not end qme.
func (e *signalError) Unwrap() error { return e.code }

var codes = []struct {
	err  error
	code int
}{
	{context.Canceled, exitInterrupted},
	{tasks.ErrReference, exitUsage},
	{mirror.ErrQuery, exitUsage},
	{mirror.ErrUnreachable, exitRemote},
	{executor.ErrNoOutput, exitNotFound},
	{mirror.ErrDenied, exitRemote},
	{mirror.ErrForeign, exitConflict},
	{record.ErrNotYet, exitNotYet},
	{record.ErrUnavailable, exitRemote},
	{record.ErrNewerFormat, exitNewerFormat},
	{record.ErrCorrupt, exitCorrupt},
	{mirror.ErrDamaged, exitCorrupt},
	{record.ErrNotFound, exitNotFound},
	{record.ErrAmbiguous, exitAmbiguous},
	{record.ErrConflict, exitConflict},
	{record.ErrInvalid, exitCorrupt},
}

// exitCode reports an error on stderr and returns the exit code of the process.
func (a *app) exitCode(err error) int {
	code, msg, hint := a.settings.explain(err)
	if msg != "" {
		a.term.fail(msg)
	}
	if hint != "" {
		a.term.say("%s", hint)
	}
	return code
}

// explain returns the exit code for an error, its message and a hint on how to go on.
// Both texts may be empty.
func (s *settings) explain(err error) (code int, msg, hint string) {
	if err == nil {
		return 0, "", ""
	}
	var coded *codeError
	if errors.As(err, &coded) {
		if coded.err != nil {
			msg = s.term.here(said(coded.err.Error()))
		}
		return coded.code, msg, s.spaceHint(coded.err)
	}
	if errors.Is(err, errPagerGone) {
		return 0, "", ""
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage, s.term.here(usage.msg), fmt.Sprintf("See %q.", usage.help)
	}
	// A context is cancelled only by the user or a SIGTERM.
	msg = s.term.here(said(strings.ReplaceAll(strings.TrimSpace(err.Error()), context.Canceled.Error(), "interrupted")))
	return codeOf(err), msg, s.term.here(cmp.Or(hintFor(err), s.homeHint(err), s.spaceHint(err)))
}

// worst joins the errors of several tasks, with the highest of their exit codes. A single one stays as it is.
func worst(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) < 2 {
		return errors.Join(errs...)
	}
	highest := 0
	for _, err := range errs {
		code := codeOf(err)
		if coded := (*codeError)(nil); errors.As(err, &coded) {
			code = coded.code
		}
		highest = max(highest, code)
	}
	return &codeError{highest, errors.Join(errs...)}
}

func codeOf(err error) int {
	if isRemoteError(err) {
		return exitRemote
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return exitFailure
}

// hintFor returns a hint for the user, "" if there is none.
func hintFor(err error) string {
	var ambiguous *tasks.AmbiguousError
	var refused *gitstore.RejectedError
	var none *tasks.NoLastError
	var cleared *tasks.ClearedError
	var limit *gitstore.LimitError
	var layout *gitstore.LayoutError
	var unsharable *gitstore.UnsharableError
	var theirs *gitstore.PackError
	switch {
	case errors.As(err, &none) && none.Empty:
		return "\"qme run CMD\" runs a command and records it."
	case errors.As(err, &none):
		return "Name one: \"qme ls\" lists them, and @1 is the first of its lines."
	case errors.As(err, &ambiguous):
		return "Give more of the id."
	case errors.As(err, &cleared):
		return fmt.Sprintf("\"qme restore %s\" brings it back.", cleared.ID)
	case errors.As(err, &layout):
		return layout.Way
	case errors.As(err, &refused) && refused.Own:
		return "Nothing was sent. \"qme push --skip-invalid\" takes it out of the history's listing first; git keeps it in earlier commits."
	case errors.As(err, &refused):
		return "\"--skip-invalid\" leaves the tasks out and counts them as cleared."
	case errors.As(err, &unsharable):
		return unsharableHint(unsharable)
	case errors.As(err, &limit):
		return limitHint(limit)
	case errors.Is(err, gitstore.ErrTooLarge):
		return "The settings share.max_pack, share.max_object and share.max_record say how much is let in."
	case errors.Is(err, gitstore.ErrBusy):
		return "Try again in a moment."
	case errors.Is(err, mirror.ErrUnreachable):
		return "The history is complete without it, and the mirror catches up when it is back. \"qme config database\" shows which it is, docs/mirror.md how it is set."
	case errors.Is(err, mirror.ErrForeign):
		return "Nothing in it was changed. Give the mirror a database of its own or, in PostgreSQL, a schema, by ?search_path=NAME at the end of the URL."
	case errors.Is(err, mirror.ErrDenied):
		return "docs/mirror.md says which rights the mirror needs. The history is complete without it."
	case errors.Is(err, mirror.ErrDamaged):
		return "Move the file away, or name another: a mirror is made anew from the history."
	case errors.Is(err, mirror.ErrQuery):
		return "\"qme sql --schema\" lists the tables with their columns, docs/mirror.md describes them."
	case errors.Is(err, record.ErrNewerFormat):
		return "Install a newer version of qme."
	case errors.As(err, &theirs):
		return "What the remote sent is damaged, and nothing of it was kept. Try again; if it stays so, \"git fsck\" there says more."
	case errors.Is(err, record.ErrCorrupt):
		return "\"qme check\" looks at everything and says what can be done."
	case errors.Is(err, record.ErrNoPart), errors.Is(err, record.ErrPartElsewhere):
		return "Under data.parts the record says which parts a run has."
	case errors.Is(err, record.ErrNotFound):
		return "\"qme ls\" lists the tasks, and \"qme search WORD\" finds them by their text, with --cleared those that were cleared."
	}
	return ""
}

// limitHint names the setting that would allow the size. Sizes are rounded up.
func limitHint(e *gitstore.LimitError) string {
	setting := "share.max_" + e.Limit
	if e.Needed == 0 {
		return fmt.Sprintf("If you trust the remote, raise the setting %s for this once: QME_%s=0 lets in any amount.", setting, strings.ToUpper(strings.ReplaceAll(setting, ".", "_")))
	}
	return fmt.Sprintf("If you trust the remote, \"qme config %s %dMiB\" lets it in, here and for nobody else.", setting, (e.Needed+1<<20-1)>>20)
}

// unsharableHint says how to share an object that is too large.
func unsharableHint(e *gitstore.UnsharableError) string {
	setting, size := "share.max_"+e.Limit, fmt.Sprintf("%dMiB", (e.Needed+1<<20-1)>>20)
	return fmt.Sprintf("Nothing was sent: other homes let in no more, and a history keeps it even when the task is cleared. "+
		"Where all that share it have set \"qme config %s %s\", set it here, too, and push again.", setting, size)
}

// settingError turns an invalid setting into a usage error.
func settingError(err error) error {
	if err != nil && errors.Is(err, record.ErrInvalid) {
		return &codeError{exitUsage, err}
	}
	return err
}
