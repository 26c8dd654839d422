package cli

import (
	"github.com/urfave/cli/v3"

	"qme/index/query"
)

// queryFlag returns the option --query of a command that is not search. A query stands nowhere
// else, so that a mistyped name of a task is never taken for one.
func queryFlag(text *string, usage string) cli.Flag {
	return &cli.StringFlag{Name: "query", OnlyOnce: true, Usage: usage, Destination: text}
}

// queryOf returns the query of --query, nil if the option is not given.
func queryOf(c *cli.Command, text string) (*query.Query, error) {
	if !c.IsSet("query") {
		return nil, nil
	}
	return parseQuery(text, false)
}

// noTask returns an error if a task is named in addition to a query.
func noTask(c *cli.Command) error {
	if c.Args().Len() > 0 {
		return &usageError{msg: "--query QUERY selects the tasks: quote all of it, and name no other", help: c.FullName() + " --help"}
	}
	return nil
}
