package cli

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"qme/record"
)

func idFileFlag(path *string) cli.Flag {
	return &cli.StringFlag{Name: "id-file", OnlyOnce: true, Usage: "write the id of the task to `FILE` when the command has begun", Destination: path, TakesFile: true}
}

// idFile returns a function that writes the id of a task to a file, nil for no file. The file is made,
// or emptied, before, so that one that cannot be written keeps the command from running.
func idFile(path string) (func(record.ID), error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, fmt.Errorf("the file for the id of the task: %w", err)
	}
	return func(id record.ID) {
		_, _ = fmt.Fprintln(f, id) // of a full disk the script sees an empty file
		_ = f.Close()
	}, nil
}
