package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"qme/internal/safe"
	"qme/tasks"
)

// secret returns the value of a secret that is masked in the command to be run again: that of
// the variable now, or the answer of the user.
func (cmd *rerunCommand) secret(ctx context.Context, h tasks.Hidden, o rerunOptions) (string, error) {
	if value := strings.TrimSpace(os.Getenv(h.Name)); value != "" && h.Pattern == 0 {
		cmd.term.beside("The command gets the value of %s from the environment; the record has [masked:%s].", h.Name, h.Name)
		return value, nil
	}
	way := fmt.Sprintf("\"%s\" at a terminal asks for it", cmd.rerunLine(o, string(h.ID)))
	if h.Pattern == 0 {
		way = fmt.Sprintf("set the variable %s, or %s", h.Name, way)
	}
	unknown := fmt.Errorf("%w: %s", &tasks.SecretError{Hidden: h}, way)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	ask := cmd.term.asker(ctx)
	if ask == nil || o.report {
		return "", unknown
	}
	question := "Value of " + h.Name
	if h.Pattern > 0 {
		question = fmt.Sprintf("Text that pattern %d has masked in %s", h.Pattern, safe.Shorten(h.Text, toldValue))
	}
	value, err := ask(question+" (not shown): ", true)
	switch value = strings.TrimSpace(value); {
	case ctx.Err() != nil:
		return "", &codeError{exitInterrupted, errors.New("interrupted; nothing was run")}
	case err != nil:
		return "", errors.Join(unknown, err)
	case value == "":
		return "", unknown
	}
	return value, nil
}
