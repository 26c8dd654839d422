package executor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
)

// docs/executors.md shows what follows up to Example.

// Make is an executor for make, whose tasks know which targets failed.
type Make struct{ Shell *executor.Shell }

// Name implements executor.Executor.
func (m Make) Name() string { return "make" }

// Recognise implements executor.Executor. It runs what the shell would run.
func (m Make) Recognise(words []string) (executor.Command, bool) {
	c, ok := m.Shell.Recognise(words)
	c.Executor = m.Name()
	return c, ok && filepath.Base(words[0]) == "make"
}

// Actions implements executor.Executor: those of the shell, and one more.
func (m Make) Actions() []executor.Action {
	return append(m.Shell.Actions(), executor.Action{
		Name: "failures", Summary: "list the targets that failed",
		Do: func(_ context.Context, c *executor.Call) error {
			for _, line := range c.Record.Data.Error {
				if strings.HasPrefix(line, "make: *** ") {
					if _, err := fmt.Fprint(c.Out, safe.Message(line)); err != nil {
						return err
					}
				}
			}
			return nil
		},
	})
}

func Example() {
	set := executor.NewSet(&executor.Shell{Program: "sh"}, Make{&executor.Shell{Program: "sh"}})
	c, err := set.Recognise([]string{"make", "-k"})
	fmt.Println(c.Executor, c.Line, err)
	act, err := executor.Find(Make{&executor.Shell{Program: "sh"}}, "failures")
	if err != nil {
		fmt.Println(err)
		return
	}
	rec := &record.Record{Data: record.Data{Error: []string{"cc: no input\n", "make: *** [Makefile:2: all] Error 1\n"}}}
	if err := act.Do(context.Background(), &executor.Call{Record: rec, Out: os.Stdout}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// make make -k <nil>
	// make: *** [Makefile:2: all] Error 1
}
