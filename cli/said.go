package cli

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"qme/internal/lazy"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
	"qme/tasks/sweep"
)

// kinds are errors that only classify another error and add nothing to the sentence.
var kinds = []error{record.ErrNotFound, record.ErrInvalid, record.ErrConflict, record.ErrCorrupt, record.ErrAmbiguous, tasks.ErrReference, sweep.ErrInvalid}

// bareName matches a text that only names something, such as: task "01a2", commit 0a1b,
// an id.
var bareName = lazy.Regexp(`^(\S+ )?("(\\.|[^"\\])*"|\S+)( \([^)]*\))?$`)

// kindAtEnd matches a kind at the end of a clause.
var kindAtEnd = lazy.Regexp(`: (` + kindNames() + `)(?:$|\n|; | \()`)

// kindAtFront matches a kind in front of a sentence.
var kindAtFront = lazy.Regexp(`(^|\n|: )` + regexp.QuoteMeta(record.ErrInvalid.Error()) + `: `)

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, regexp.QuoteMeta(k.Error()))
	}
	return strings.Join(names, "|")
}

// count returns a number with a noun in the singular or plural.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// longestQuoted is how much of a text, in bytes, a message repeats that is refused.
const longestQuoted = 60

// quoted quotes a text that is refused. The text may be long.
func quoted(text string) string { return strconv.Quote(safe.Shorten(text, longestQuoted)) }

// hereTime converts the time at the beginning of a note of a background process, which
// may have run in another time zone, to local time.
func hereTime(note string) string {
	at, rest, err := timeOf(note)
	if err != nil {
		return note
	}
	return at.Local().Format(time.DateTime) + " " + rest
}

// since returns how long ago such a note was written, the longest duration if it does not say.
func since(note string) time.Duration {
	at, _, err := timeOf(note)
	if err != nil {
		return math.MaxInt64
	}
	return time.Since(at)
}

// timeOf returns the time at the beginning of such a note, and what follows it.
func timeOf(note string) (at time.Time, rest string, err error) {
	word, rest, _ := strings.Cut(note, " ")
	at, err = time.Parse(time.RFC3339, word)
	return at, rest, err
}

// said removes the kind of an error from its text: "there are only 3 tasks". The kind
// stays if only a name would be left.
func said(text string) string {
	text = kindAtFront().ReplaceAllString(text, "$1")
	for from := 0; ; {
		m := kindAtEnd().FindStringSubmatchIndex(text[from:])
		if m == nil {
			return text
		}
		at, end := from+m[0], from+m[3]
		clause := text[:at]
		clause = strings.TrimSpace(clause[max(strings.LastIndex(clause, ": "), strings.LastIndexByte(clause, '\n'))+1:])
		if bareName().MatchString(clause) && !strings.Contains("|"+kindNames()+"|", "|"+clause+"|") {
			from = end
			continue
		}
		text, from = text[:at]+text[end:], 0
	}
}

// say prints a line on stderr.
func (t *terminal) say(format string, args ...any) {
	t.show(safe.Message(fmt.Sprintf(format, args...)) + "\n")
}

// show prints text unchanged on stderr. Errors are ignored, since there is nowhere to
// report them.
func (t *terminal) show(text string) { _, _ = t.err.WriteString(text) }

// note is say for messages that -q silences.
func (t *terminal) note(format string, args ...any) {
	if !t.quiet {
		t.say(format, args...)
	}
}

// besides reports whether qme may speak beside the output of a command, as the setting run.summary and -q
// say.
func (t *terminal) besides() bool {
	return !t.quiet && (t.summarySetting == "always" || t.summarySetting != "never" && isTerminal(t.err))
}

// beside is note for what is said beside the output of a command: how its run has ended, and what a rerun
// finds other than before. It is for information only; failures are always said.
func (t *terminal) beside(format string, args ...any) {
	if t.besides() {
		t.say(format, args...)
	}
}

func (t *terminal) warn(format string, args ...any) {
	t.say("qme: %s", t.here(said(fmt.Sprintf(format, args...))))
}

// fail prints the error of a command.
func (t *terminal) fail(msg string) {
	t.show(t.paletteOf(t.err).red("qme:") + " " + safe.Message(msg) + "\n")
}

// taken prints the task that a command is about to change if the user did not type its
// id.
func taken(term *terminal, ref string, rec *record.Record) {
	if ref == "" || strings.HasPrefix(ref, "@") {
		term.note("Task %s: %s", rec.UID, safe.Bounded(typed(rec)))
	}
}

// typed returns the recorded command as the user typed it, if that is known.
func typed(rec *record.Record) string {
	if cmd := rec.Data.Cmd; len(cmd) == 3 && cmd[1] == "-c" && cmd[2] == rec.Command {
		return rec.Command
	}
	return tasks.CommandLine(rec)
}
