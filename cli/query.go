package cli

import (
	"github.com/urfave/cli/v3"

	"qme/index/query"
)

// A queryFlags is the options --query and --saved of a command that is not search. A query stands
// nowhere else, so that a mistyped name of a task is never taken for one.
type queryFlags struct{ text, saved string }

// flags returns the options. usage is that of --query.
func (f *queryFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "query", OnlyOnce: true, Usage: usage, Destination: &f.text},
		&cli.StringFlag{Name: "saved", OnlyOnce: true, Usage: "the query that \"qme search --save\" has saved under a `NAME`, in place of --query", Destination: &f.saved},
	}
}

// query returns the query of the options, nil if none is given. Afterwards text is that of the
// saved query, too.
func (f *queryFlags) query(c *cli.Command, from *settings) (*query.Query, error) {
	switch {
	case c.IsSet("query") && c.IsSet("saved"):
		return nil, &usageError{msg: "--query and --saved exclude each other", help: c.FullName() + " --help"}
	case c.IsSet("query"):
		return parseQuery(f.text, false)
	case !c.IsSet("saved"):
		return nil, nil
	}
	q, s, err := from.savedQuery(f.saved)
	f.text = s.Value()
	return q, err
}

// A selection says which tasks a command takes: those that are named, or those that match a query.
type selection struct {
	refs []string
	what *query.Query // nil for none
	text string       // that of the query
}

// selection returns what the command line selects, nothing if neither a task nor a query is given.
func (f *queryFlags) selection(c *cli.Command, from *settings) (of selection, err error) {
	if of.refs, err = wholeTasks(c); err != nil {
		return of, err
	}
	if of.what, err = f.query(c, from); err != nil || of.what == nil {
		return of, err
	}
	of.text = f.text
	return of, noTask(c, of.refs)
}

// noTask returns an error if a task is named in addition to a query.
func noTask(c *cli.Command, refs []string) error {
	if len(refs) > 0 {
		return &usageError{msg: "--query or --saved selects the tasks: quote all of the query, and name no other", help: c.FullName() + " --help"}
	}
	return nil
}
