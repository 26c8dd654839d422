// Command bench measures whole processes of qme against each other and against
// git and datalad, and prints a table of goals and figures:
//
//	go run ./tests/bench [-home DIR] [-n 20]
//
// It builds qme from the source tree, makes histories with tests/genhistory, and
// removes everything afterwards but what -home keeps. All figures that are
// compared are taken in turn (A B A B …), so that what else the machine does
// falls on both, and are medians.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

// options are the flags.
type options struct {
	home  string
	n     int
	tasks int
	mib   int
	only  *regexp.Regexp
}

func main() {
	opts, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = bench(ctx, opts)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.home, "home", "", "keep generated histories in `DIR` for the next time")
	flags.IntVar(&o.n, "n", 20, "measure each thing so `many` times")
	flags.IntVar(&o.tasks, "tasks", 100_000, "how many `tasks` a large history has, and files a large work tree")
	flags.IntVar(&o.mib, "mib", 1024, "how many `MiB` the large output has; the large files of facts follow from it")
	only := flags.String("only", "", "measure only what has a name that matches `REGEXP` (names: "+groupNames()+")")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.n < 1 || o.tasks < 1000 || o.mib < 1 {
		return o, fmt.Errorf("-n and -mib take a number from 1, -tasks one from 1000, and there are no arguments")
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	return o, nil
}

// bench measures everything and prints the table.
func bench(ctx context.Context, opts options) (err error) {
	l, err := newLab(ctx, opts)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := l.close(); err == nil {
			err = cerr
		}
	}()
	if err := l.header(os.Stdout); err != nil {
		return err
	}
	var rows []row
	for _, g := range groups {
		if !opts.only.MatchString(g.name) {
			continue
		}
		l.logf("%s …", g.name)
		got, err := g.run(l)
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		rows = append(rows, got...)
	}
	return printTable(os.Stdout, rows)
}
