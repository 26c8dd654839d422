package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/gitstore"
	"qme/gitstore/remote"
	"qme/record"
	"qme/tasks"
)

// shareOptions are the flags of push, pull and sync.
type shareOptions struct {
	json, dryRun, skipInvalid bool
}

func (o *shareOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say what would be exchanged", Destination: &o.dryRun},
		&cli.BoolFlag{Name: "json", Usage: "print the summary as JSON", Destination: &o.json},
		&cli.BoolFlag{Name: "skip-invalid", Usage: "leave out invalid tasks of the remote, and count them as cleared", Destination: &o.skipInvalid},
	}
}

type shareCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

// command returns the command push, pull or sync.
func (cmd *shareCommand) command(name, usage, description string, how exchange) *cli.Command {
	var o shareOptions
	return &cli.Command{
		Name:        name,
		Usage:       usage,
		ArgsUsage:   "[REMOTE]",
		Description: description,
		Flags:       o.flags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			return cmd.run(ctx, c.Args().First(), o, how)
		},
	}
}

// An exchange is one of Push, Pull and Sync of a tasks.Service.
type exchange func(*tasks.Service, context.Context, string, tasks.ShareOptions) (*tasks.Shared, error)

// run exchanges tasks with a remote and prints a summary.
func (cmd *shareCommand) run(ctx context.Context, name string, o shareOptions, how exchange) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := cmd.settings.sure(); err != nil {
		return err
	}
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	shared, err := how(q, ctx, name, tasks.ShareOptions{DryRun: o.dryRun, SkipInvalid: o.skipInvalid})
	if err != nil {
		return sharingError(err)
	}
	cmd.home.follow(q, tasks.AfterExchange)
	q.CatchUpOrder(ctx)
	return reportShared(cmd.term, shared, o)
}

// sharingError rewords the errors of an exchange for the command line.
func sharingError(err error) error {
	var none *tasks.NoRemoteError
	switch {
	case !errors.As(err, &none):
		return interrupted(err)
	case len(none.Names) == 0:
		return &usageError{msg: "no remote is set; \"qme remote URL\" sets one", help: "qme remote --help"}
	case none.Name == "":
		return &usageError{msg: "which remote? there are " + strings.Join(none.Names, ", "), help: "qme remote --help"}
	}
	return unknownRemote(none.Name, none.Names)
}

func unknownRemote(name string, names []string) error {
	name = remote.Shown(name) // the name may be a URL
	msg := fmt.Sprintf("there is no remote %q", name)
	switch {
	case gitstore.CheckRemoteName(name) != nil:
		msg = fmt.Sprintf("%q is not the name of a remote; \"qme remote NAME URL\" gives a URL one", name)
	case len(names) == 1:
		msg += ", only " + names[0]
	case len(names) > 1:
		msg += "; there are " + strings.Join(names, ", ")
	}
	return &usageError{msg: msg, help: "qme remote --help"}
}

// sharing returns the settings and callbacks of an exchange.
func (h *home) sharing(ctx context.Context) (*tasks.Sharing, error) {
	cfg, err := h.settings.sure() // the limits must be valid
	if err != nil {
		return nil, err
	}
	show, done := h.term.transferProgress()
	return &tasks.Sharing{
		Distrusted: distrusted, Messages: h.term.remoteMessages(), Ask: h.term.asker(ctx), Close: done,
		Fetch: gitstore.FetchOptions{
			MaxPack: cfg.Size("share.max_pack"), MaxObject: cfg.Size("share.max_object"), MaxRecord: cfg.Size("share.max_record"), MaxUnpacked: cfg.Size("share.max_unpacked"),
			Progress: show,
		},
		Usual: gitstore.ShareLimits{Object: config.DefaultSize("share.max_object"), Record: config.DefaultSize("share.max_record")},
	}, nil
}

// interrupted rewords the error if the user interrupted an exchange.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return &interruptedError{"interrupted; nothing was changed that was not whole"}
	}
	return err
}

// A sharedJSON is the summary as JSON. Its keys are stable.
type sharedJSON struct {
	Remote  string        `json:"remote"`
	URL     string        `json:"url"`
	DryRun  bool          `json:"dry_run"`
	Pulled  tasks.Traffic `json:"pulled"`
	Pushed  tasks.Traffic `json:"pushed"`
	Skipped []skippedJSON `json:"skipped"`
}

type skippedJSON struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// reportShared prints the summary of an exchange.
func reportShared(term *terminal, shared *tasks.Shared, o shareOptions) error {
	refused := shared.Refused
	sum := sharedJSON{Remote: shared.Remote.Name, URL: remote.Shown(shared.Remote.URL), DryRun: o.dryRun, Pulled: shared.Pulled, Pushed: shared.Pushed, Skipped: []skippedJSON{}}
	for _, r := range refused {
		term.warn("left out %s: %v", r.Path, r.Why)
		sum.Skipped = append(sum.Skipped, skippedJSON{r.Path, r.Why.Error()})
	}
	if len(refused) > 0 {
		term.warn("what is left out counts as cleared: a push takes it out of the remote's listing, too, and a later pull does not bring it")
	}
	if o.json {
		return term.printJSON(sum)
	}
	if term.quiet {
		return nil
	}
	_, err := fmt.Fprintln(term.out, summaryOf(shared, o.dryRun))
	return err
}

// summaryOf returns one line, such as "pulled 12 tasks, 3 reruns; pushed 4 tasks".
func summaryOf(s *tasks.Shared, dryRun bool) string {
	var parts []string
	for _, side := range []struct {
		did, would string
		t          tasks.Traffic
	}{{"pulled", "would pull", s.Pulled}, {"pushed", "would push", s.Pushed}} {
		if side.t == (tasks.Traffic{}) {
			continue
		}
		verb := side.did
		if dryRun {
			verb = side.would
		}
		parts = append(parts, verb+" "+traffic(side.t))
	}
	if len(parts) == 0 {
		return "up to date"
	}
	return strings.Join(parts, "; ")
}

func traffic(t tasks.Traffic) string {
	var parts []string
	for _, c := range []struct {
		n         int
		one, many string
	}{{t.Tasks, "task", "tasks"}, {t.Reruns, "rerun", "reruns"}, {t.Cleared, "cleared", "cleared"}, {t.Noted, "noted", "noted"}} {
		switch {
		case c.n == 1:
			parts = append(parts, "1 "+c.one)
		case c.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.many))
		}
	}
	return strings.Join(parts, ", ")
}

// remoteExits are the errors of remotes. They include a branch that other clients keep
// pushing to, or keep locked.
var remoteExits = []error{
	remote.ErrNotFound, remote.ErrAccess, remote.ErrHostKey, remote.ErrOffline, remote.ErrDeclined, remote.ErrServer, remote.ErrProtocol,
	gitstore.ErrBehind, gitstore.ErrMoved,
}

func isRemoteError(err error) bool {
	return slices.ContainsFunc(remoteExits, func(e error) bool { return errors.Is(err, e) })
}

// noteUnsharable prints a note if a setting allows this home to record streams that other
// homes refuse.
func (cmd *configCommand) noteUnsharable(setting string) {
	cfg, err := cmd.settings.config()
	if err != nil {
		return // reported when the settings are used
	}
	usual := config.DefaultSize("share.max_object")
	switch {
	case setting == "run.keep" && cfg.Size(setting) > usual:
		cmd.term.note("Other homes let in streams of up to %s, unless share.max_object is raised there: larger ones will not be pushed.", humanize.IBytes(uint64(usual)))
	case setting == "run.inline" && cfg.Size(setting) > record.MaxInline:
		cmd.term.note("A stream whose lines take more than %s as JSON is stored beside its record all the same.", humanize.IBytes(record.MaxInline))
	}
}
