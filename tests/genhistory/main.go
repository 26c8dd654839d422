// Command genhistory makes a task history of a given size from a seed, for
// benchmarks and for trying out what a large history is like:
//
//	go run ./tests/genhistory -n 100000 -seed 1 HOME
//
// writes HOME/tasks.git, which "qme --home HOME ls" lists.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"time"

	"qme/tests/genhistory/history"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "genhistory:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	var opts history.Options
	flag.IntVar(&opts.Tasks, "n", 100_000, "how many `tasks`")
	flag.Uint64Var(&opts.Seed, "seed", 1, "equal seeds give equal histories")
	flag.IntVar(&opts.Batch, "batch", 0, "write so many `runs` at once (0: 500; 1: as normal use does)")
	flag.Float64Var(&opts.Reruns, "reruns", 0, "this `share` of the tasks is run again (0: one in twenty)")
	flag.BoolVar(&opts.Queued, "queued", false, "each task has waited in the queue for some minutes")
	flag.BoolVar(&opts.Files, "files", false, "each run has three files, which chains of tasks make from each other")
	flag.BoolVar(&opts.Trainings, "trainings", false, "all tasks are those of one sweep, each with some 10 KB of output in which metrics are")
	profile := flag.String("cpuprofile", "", "write a profile of the processor time to `FILE`")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: genhistory [flags] HOME")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || opts.Tasks < 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *profile != "" {
		stop, perr := startProfile(*profile)
		if perr != nil {
			return perr
		}
		defer func() {
			if serr := stop(); err == nil {
				err = serr
			}
		}()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return generate(ctx, flag.Arg(0), opts)
}

// generate shows its progress on stderr, and at the end what it has made.
func generate(ctx context.Context, home string, opts history.Options) error {
	begin, last := time.Now(), time.Now()
	opts.Progress = func(runs, of int) {
		if runs == of || time.Since(last) > time.Second {
			last = time.Now()
			fmt.Fprintf(os.Stderr, "%d of %d runs, %.0f s\n", runs, of, time.Since(begin).Seconds())
		}
	}
	rep, err := history.Generate(ctx, home, opts)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d tasks, %d commits, %d packs (joined %d times), %d bytes on disk, %.0f bytes per task, %.1f s\n",
		rep.Tasks, rep.Commits, rep.Packs, rep.GCs, rep.Bytes, rep.BytesPerTask(), time.Since(begin).Seconds())
	return nil
}

func startProfile(name string) (stop func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
