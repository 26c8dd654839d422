package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"qme/internal/regular"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type noteCommand struct {
	term *terminal
	home *home
}

// noteOptions are the flags of note.
type noteOptions struct {
	edit, json bool
	remove     string
}

func (cmd *noteCommand) command() *cli.Command {
	var o noteOptions
	return &cli.Command{
		Name:      "note",
		Usage:     "write a note on a task, or show its notes",
		ArgsUsage: "[TASK [TEXT…]]",
		Description: `The words of TEXT are the note. Without them the notes of the task are shown, each
with its id. The default task is the one that you gave last. --edit opens $VISUAL or
$EDITOR; with the id of a note that is there as TEXT, on that note.

Notes belong to the task, not to a run. They are shared by push and pull.

Examples:
  qme note 019aaf3c the temperature was too high
  qme note @1
  qme note @1 --edit
  qme note @1 --edit 5b1f0c2d9e7a
  qme note @1 --remove 5b1f0c2d9e7a`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "edit", Aliases: []string{"e"}, Usage: "write it in an editor", Destination: &o.edit},
			&cli.StringFlag{Name: "remove", Usage: "remove the note with this `ID`", OnlyOnce: true, Destination: &o.remove},
			&cli.BoolFlag{Name: "json", Usage: "show the notes as JSON", Destination: &o.json},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			args := c.Args().Slice()
			if len(args) == 0 {
				args = []string{""}
			}
			text := strings.Join(args[1:], " ")
			switch {
			case len(args) > 1 && strings.TrimSpace(text) == "":
				return &usageError{msg: "note was given an empty text", help: "qme note --help"}
			case c.IsSet("remove") && (text != "" || o.edit):
				return &usageError{msg: "--remove takes no text", help: "qme note --help"}
			case text == "" && !o.edit && !c.IsSet("remove"):
				return cmd.list(ctx, args[0], o.json)
			}
			return cmd.change(ctx, args[0], text, o)
		},
	}
}

// list shows the notes of a task.
func (cmd *noteCommand) list(ctx context.Context, ref string, asJSON bool) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	notes := v.Record.Notes.Clone().Notes
	if len(notes) == 0 && !asJSON {
		cmd.term.note("Task %s has no notes; \"%s\" writes one.", v.Record.UID, cmd.term.line("note", string(v.Record.UID), "TEXT"))
		return nil
	}
	return cmd.term.listing(asJSON, func(w *bufio.Writer) error {
		for _, n := range notes {
			if asJSON {
				if err := writeJSON(w, n); err != nil {
					return err
				}
				continue
			}
			if _, err := fmt.Fprintf(w, "%s\n%s\n", noteHead(cmd.term.palette(), n), indented(n.Text)); err != nil {
				return err
			}
		}
		return nil
	})
}

// noteHead returns the id, the time and the author of a note.
func noteHead(p palette, n record.Note) string {
	edited := ""
	if n.Edited != nil {
		edited = ", edited " + n.Edited.Local().Format(time.DateTime)
	}
	return fmt.Sprintf("%s  %s  %s%s", p.bold(n.ID), n.At.Local().Format(time.DateTime), safe.Line(n.By), edited)
}

// indented returns a text that is safe to print, each line of it indented.
func indented(text string) string {
	return "  " + strings.ReplaceAll(safe.Message(strings.TrimSpace(text)), "\n", "\n  ")
}

// change adds, edits or removes a note.
func (cmd *noteCommand) change(ctx context.Context, ref, text string, o noteOptions) error {
	q, v, err := cmd.home.take(ctx, ref)
	if err != nil {
		return err
	}
	note, present := q.Note(text), v.Record.Notes.Clone()
	at := noteWith(present, text)
	switch {
	case o.remove != "":
		if at = noteWith(present, o.remove); at < 0 {
			return tasks.NoSuchNote(v.Record.UID, o.remove)
		}
		note = present.Notes[at]
		note.Text = ""
	case o.edit && at >= 0:
		now := record.Now()
		note = present.Notes[at]
		note.Edited = &now
	}
	written := "" // the file of the editor, which is all that there is of the text until it is noted
	if o.edit {
		if note.Text, written, err = cmd.edited(note.Text); err != nil {
			return err
		}
	}
	err = q.PutNote(ctx, v.Record.UID, note)
	switch {
	case err != nil && written != "":
		return fmt.Errorf("%w\nWhat was written is in %s", err, written)
	case err != nil:
		return err
	case written != "":
		if err := os.Remove(written); err != nil {
			return err
		}
	}
	cmd.home.follow(q, tasks.AfterChange)
	if note.Text == "" {
		cmd.term.note("The note %s is removed.", note.ID)
	}
	return nil
}

// noteWith returns the index of the note with an id, -1 for none.
func noteWith(n *record.Notes, id string) int {
	for i := range n.Notes {
		if n.Notes[i].ID == id {
			return i
		}
	}
	return -1
}

// edited returns the text that the user has made of one in an editor, and the file in which it is.
func (cmd *noteCommand) edited(text string) (after, path string, err error) {
	f, err := os.CreateTemp("", "qme-note-*.md")
	if err != nil {
		return "", "", err
	}
	path = f.Name()
	if text != "" {
		_, err = f.WriteString(strings.TrimSuffix(text, "\n") + "\n") // an editor ends each line
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = cmd.term.editor(path)
	}
	var b []byte
	if err == nil {
		b, _, err = regular.ReadBounded(path, record.LongestNote+1, 0)
	}
	if err != nil {
		return "", "", fmt.Errorf("%w; what was written is in %s", err, path)
	}
	after = strings.TrimSpace(strings.ToValidUTF8(string(b), "\uFFFD"))
	if after == "" || after == strings.TrimSpace(text) {
		if err := os.Remove(path); err != nil {
			return "", "", err
		}
		return "", "", &codeError{exitConflict, errors.New("nothing was changed: the text is empty, or as it was")}
	}
	return after, path, nil
}
