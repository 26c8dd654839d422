package cli

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v3"
)

type gcCommand struct {
	term *terminal
	home *home
}

func (cmd *gcCommand) command() *cli.Command {
	var auto bool
	return &cli.Command{
		Name:  "gc",
		Usage: "pack the history",
		Description: `Runs start this now and then, in the background. It can be interrupted at any time,
and other qme and git processes may run at the same time.

Examples:
  qme gc`,
		Flags: []cli.Flag{&cli.BoolFlag{Name: "auto", Usage: "pack only if needed, as in the background (internal)", Destination: &auto}},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return cmd.run(ctx, auto)
		},
	}
}

// packMemory is from how many bytes of memory on the reading of whole packs has
// garbage collected more often: what is needed at a time is less, but outputs of
// some MiB each soon leave behind several times that.
const packMemory = 256 << 20

func (cmd *gcCommand) run(ctx context.Context, auto bool) error {
	debug.SetMemoryLimit(packMemory)
	q, err := cmd.home.tasks()
	if err != nil {
		return err
	}
	s, err := q.Store()
	if err != nil {
		return err
	}
	if auto {
		// Whoever works at the terminal comes first. On Linux each thread has a
		// niceness of its own, so it is set for all of the process group, which
		// startGC has made one of our own. It is no condition of the work.
		if syscall.Getpgrp() == os.Getpid() {
			_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, 19)
		}
	}
	q.CatchUpOrder(ctx) // so that a listing after many runs does not have to
	done := func() {}
	if !auto {
		done = cmd.term.elapsing("s so far: packing the history")
	}
	rep, err := s.GC(ctx, !auto)
	done()
	if err != nil || auto {
		return err
	}
	if rep == nil {
		cmd.term.note("Another qme gc is at work.")
		return nil
	}
	cmd.term.note("%s of %s became %d of %s.", count(rep.PacksBefore, "pack"), humanize.IBytes(uint64(rep.BytesBefore)), rep.PacksAfter, humanize.IBytes(uint64(rep.BytesAfter)))
	return nil
}
