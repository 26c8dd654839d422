package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type getCommand struct {
	term *terminal
	home *home
}

func (cmd *getCommand) command() *cli.Command {
	var stdout, stderr bool
	var part string
	return &cli.Command{
		Name:      "get",
		Usage:     "show a task's record as JSON, or its exact output",
		ArgsUsage: "[TASK[@RUN]]",
		Description: `TASK is an id or the beginning of one, with or without its executor, or @N for the
N-th task that a plain "qme ls" lists. The default is the task that you gave last.
@RUN picks an earlier run: @1 the first, @-1 the one before the last.

Examples:
  qme get
  qme get 019aaf3c
  qme get @2
  qme get shell-019aaf3c@1
  qme get @1 --stdout > output.bin
  qme get @1 --part files`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "stdout", Usage: "print the exact bytes of the output", Destination: &stdout},
			&cli.BoolFlag{Name: "stderr", Usage: "print the exact bytes of the error output; for a run on a terminal it is in the output", Destination: &stderr},
			&cli.StringFlag{Name: "part", Usage: "print the exact bytes of a part of the record, `NAME` is one of data.parts", Destination: &part},
			&cli.BoolFlag{Name: "json", Usage: "print the record as JSON (the default)"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			if stdout && stderr || part != "" && (stdout || stderr) {
				return &usageError{msg: "--stdout, --stderr and --part exclude each other", help: "qme get --help"}
			}
			switch {
			case part != "":
				return cmd.getPart(ctx, c.Args().First(), record.PartName(part))
			case stdout:
				return cmd.getStream(ctx, c.Args().First(), record.Stdout)
			case stderr:
				return cmd.getStream(ctx, c.Args().First(), record.Stderr)
			}
			return cmd.run(ctx, c.Args().First())
		},
	}
}

func (cmd *getCommand) run(ctx context.Context, ref string) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	b, err := record.Encode(v.Record)
	if err != nil {
		return err
	}
	_, err = cmd.term.out.Write(safe.JSON(b))
	return err
}

func (cmd *getCommand) getPart(ctx context.Context, ref string, name record.PartName) error {
	if !slices.Contains(record.PartNames, name) {
		return &usageError{msg: fmt.Sprintf("there is no part %q: the parts are %s", name, strings.Join(names(record.PartNames), ", ")), help: "qme get --help"}
	}
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	content, err := v.Part(name)
	if err != nil {
		return err
	}
	_, err = cmd.term.out.Write(content)
	return err
}

// names returns the texts of names.
func names[N ~string](list []N) []string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = string(n)
	}
	return texts
}

func (cmd *getCommand) getStream(ctx context.Context, ref string, name record.StreamName) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	if name == record.Stderr && v.Record.Data.Merged {
		cmd.term.note("%s", tasks.OneStream(v.Record))
	}
	r, err := v.Stream(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(cmd.term.out, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if _, s := name.Of(v.Record); s != nil && s.Cut != nil {
		why := "were not kept (of %d; the setting run.keep)"
		if s.Cut.Offset+s.Cut.Bytes == s.Size {
			why = "could not be stored (of %d; a full disk, say)"
		}
		cmd.term.note("qme: %d bytes from offset %d on "+why, s.Cut.Bytes, s.Cut.Offset, s.Size)
	}
	return nil
}
