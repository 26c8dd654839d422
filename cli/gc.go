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
	var auto, index bool
	return &cli.Command{
		Name:  "gc",
		Usage: "pack the history",
		Description: `Runs start this now and then, in the background. It can be interrupted at any time,
and other qme and git processes may run at the same time.

Examples:
  qme gc`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "auto", Usage: "pack only if needed, as in the background (internal)", Destination: &auto},
			&cli.BoolFlag{Name: "index", Usage: "bring the search index up to date in place of packing, as in the background (internal)", Destination: &index},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			if index {
				return cmd.catchUp(ctx)
			}
			return cmd.run(ctx, auto)
		},
	}
}

// packMemory is the memory limit, in bytes, above which garbage is collected more often
// while whole packs are read. Little is needed at a time, but outputs of some MiB each
// soon leave several times that as garbage.
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
		giveWay()
	}
	q.CatchUpOrder(ctx) // saves the next listing the work after many runs
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

// catchUp brings the search index up to date.
func (cmd *gcCommand) catchUp(ctx context.Context) error {
	giveWay()
	q, err := cmd.home.tasks()
	if err != nil {
		return err
	}
	return q.CatchUpIndex(ctx)
}

// giveWay has interactive work come first, if this is a process in the background. On Linux each thread has its own niceness, so it is set for
// the whole process group, which is that of this process then. A failure does not matter.
func giveWay() {
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, 19)
	}
}
