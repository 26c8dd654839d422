package cli

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"qme/internal/lazy"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// kinds are errors that say of what kind another one is, and nothing that a sentence does
// not say itself.
var kinds = []error{record.ErrNotFound, record.ErrInvalid, record.ErrConflict, record.ErrCorrupt, record.ErrAmbiguous, tasks.ErrReference}

// bareName is a text that only names something, such as: task "01a2", commit 0a1b, an id.
var bareName = lazy.Regexp(`^(\S+ )?("(\\.|[^"\\])*"|\S+)( \([^)]*\))?$`)

// kindAtEnd is a kind where a clause ends.
var kindAtEnd = lazy.Regexp(`: (` + kindNames() + `)(?:$|\n|; | \()`)

// kindAtFront is the kind of a sentence that follows it.
var kindAtFront = lazy.Regexp(`(^|\n|: )` + regexp.QuoteMeta(record.ErrInvalid.Error()) + `: `)

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, regexp.QuoteMeta(k.Error()))
	}
	return strings.Join(names, "|")
}

// count says how many of something there are.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// hereTime puts the time with which a note of the background begins into the zone of the
// reader, which may be another one than that of who wrote it.
func hereTime(note string) string {
	word, rest, _ := strings.Cut(note, " ")
	at, err := time.Parse(time.RFC3339, word)
	if err != nil {
		return note
	}
	return at.Local().Format(time.DateTime) + " " + rest
}

// said returns what an error says to people: "there are only 3 tasks" without the kind of
// the error at its end, which stays where a name alone would be left.
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

// say prints a line for people, on stderr.
func (t *terminal) say(format string, args ...any) {
	t.show(safe.Message(fmt.Sprintf(format, args...)) + "\n")
}

// show prints text as it is on stderr. When that fails there is nowhere to say so.
func (t *terminal) show(text string) { _, _ = t.err.WriteString(text) }

// note is say for what -q silences.
func (t *terminal) note(format string, args ...any) {
	if !t.quiet {
		t.say(format, args...)
	}
}

func (t *terminal) warn(format string, args ...any) {
	t.say("qme: %s", t.here(said(fmt.Sprintf(format, args...))))
}

// fail says why a command has failed.
func (t *terminal) fail(msg string) {
	t.show(t.paletteOf(t.err).red("qme:") + " " + safe.Message(msg) + "\n")
}

// taken says which task a command takes that changes something, where that was not typed
// but follows from what is there.
func taken(term *terminal, ref string, rec *record.Record) {
	if ref == "" || strings.HasPrefix(ref, "@") {
		term.note("Task %s: %s", rec.UID, safe.Bounded(typed(rec)))
	}
}

// typed is recorded as the user has typed it, where that is the same.
func typed(rec *record.Record) string {
	if cmd := rec.Data.Cmd; len(cmd) == 3 && cmd[1] == "-c" && cmd[2] == rec.Command {
		return rec.Command
	}
	return tasks.CommandLine(rec)
}
