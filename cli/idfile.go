package cli

import (
	"fmt"
	"os"
	"sync"

	"github.com/urfave/cli/v3"

	"qme/record"
	"qme/tasks"
)

func idFileFlag(path *string) cli.Flag {
	return &cli.StringFlag{Name: "id-file", OnlyOnce: true, Usage: "write the id of the task to `FILE` when the command has begun", Destination: path, TakesFile: true}
}

// idFile returns a function that writes the id of a task to a file, once; nil for no file. The file is made,
// or emptied, before, so that one that cannot be written keeps the command from running.
func idFile(path string) (func(record.ID), error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, fmt.Errorf("the file for the id of the task: %w", err)
	}
	var once sync.Once
	return func(id record.ID) {
		once.Do(func() {
			_, _ = fmt.Fprintln(f, id) // of a full disk the script sees an empty file
			_ = f.Close()
		})
	}, nil
}

// recorded calls a function of idFile for a command that could not be started, too, if it is recorded.
func recorded(started func(record.ID), rep *tasks.Report) {
	if started != nil && rep.Err == nil {
		started(rep.Record.UID)
	}
}
