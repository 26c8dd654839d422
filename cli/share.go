package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"qme/cli/config"
	"qme/gitstore"
	"qme/gitstore/remote"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// defaultRemote is the remote that is meant when none is named.
const defaultRemote = "origin"

// shareOptions are the flags of push, pull and sync.
type shareOptions struct {
	json, dryRun, skipInvalid bool
	background                bool // nobody waits for it
}

func (o *shareOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say what would be exchanged", Destination: &o.dryRun},
		&cli.BoolFlag{Name: "json", Usage: "print the summary as JSON", Destination: &o.json},
		&cli.BoolFlag{Name: "skip-invalid", Usage: "leave out tasks of the remote that are not valid, and count them as cleared", Destination: &o.skipInvalid},
	}
}

// shareCommand makes one of the commands push, pull and sync.
func (a *app) shareCommand(name, usage, description string, how exchangeFunc) *cli.Command {
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
			return a.share(ctx, c.Args().First(), o, how)
		},
	}
}

// An exchangeFunc is tasks.Push, Pull or Sync.
type exchangeFunc func(context.Context, tasks.Exchange, tasks.ShareOptions) (tasks.Shared, error)

// share exchanges tasks with a remote and prints what that brought.
func (a *app) share(ctx context.Context, name string, o shareOptions, how exchangeFunc) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := a.sure(); err != nil {
		return err
	}
	s, err := a.shareStore(ctx)
	if err != nil {
		return err
	}
	target, err := a.chooseRemote(s, name)
	if err != nil {
		return err
	}
	shared, x, err := a.exchange(ctx, s, target, o, how)
	if err != nil {
		return err
	}
	a.startGC() // a home in which nothing is run gets packs all the same
	a.follow()
	a.catchUpOrder(ctx)
	return a.reportShared(target, shared, x.refused, o)
}

// shareStore opens the history, with the runs in it that a crash has left in the
// spool.
func (a *app) shareStore(ctx context.Context) (*gitstore.Store, error) {
	if _, err := a.settled(ctx); err != nil {
		return nil, err
	}
	return a.openStore()
}

// chooseRemote returns the remote of a name; without a name, the one called origin,
// or the only one.
func (a *app) chooseRemote(s *gitstore.Store, name string) (gitstore.RemoteURL, error) {
	remotes, err := s.Remotes()
	if err != nil {
		return gitstore.RemoteURL{}, err
	}
	var names []string
	for _, r := range remotes {
		if r.Name == name || name == "" && (r.Name == defaultRemote || len(remotes) == 1) {
			return r, nil
		}
		names = append(names, r.Name)
	}
	switch {
	case len(remotes) == 0:
		return gitstore.RemoteURL{}, &usageError{msg: "no remote is set; \"qme remote URL\" sets one", help: "qme remote --help"}
	case name == "":
		return gitstore.RemoteURL{}, &usageError{msg: "which remote? there are " + strings.Join(names, ", "), help: "qme remote --help"}
	}
	return gitstore.RemoteURL{}, unknownRemote(name, names)
}

func unknownRemote(name string, names []string) error {
	name = remote.Shown(name) // it may be a URL
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

// exchangeMemory is where garbage is collected more often: the tables of a large pack
// alone take half of it.
const exchangeMemory = 192 << 20

// exchange has one function after the other go through between the history and a
// remote, while no other exchange of this home is at work.
func (a *app) exchange(ctx context.Context, s *gitstore.Store, target gitstore.RemoteURL, o shareOptions, how exchangeFunc) (tasks.Shared, *exchange, error) {
	cfg, err := a.sure() // limits are in it
	if err != nil {
		return tasks.Shared{}, nil, err
	}
	debug.SetMemoryLimit(exchangeMemory)
	show, done := a.transferProgress()
	defer done()
	fetchFrom, pushTo, err := a.openRemotes(ctx, s, target)
	if err != nil {
		return tasks.Shared{}, nil, err
	}
	unlock, err := a.lockExchange(ctx, s, target.Name, o.background)
	if err != nil {
		return tasks.Shared{}, nil, interrupted(err)
	}
	defer unlock()
	if o.background {
		var stop func()
		ctx, stop = giveWay(ctx, s)
		defer stop()
	}
	x := &exchange{store: s, remote: fetchFrom, pushTo: pushTo, name: target.Name, progress: show, fetch: fetchOptions(cfg, o, show), warn: func(msg string) { a.warn("%s", msg) }}
	shared, err := how(ctx, x, tasks.ShareOptions{DryRun: o.dryRun})
	if err != nil && errors.Is(context.Cause(ctx), errGaveWay) {
		err = errGaveWay
	}
	return shared, x, interrupted(err)
}

// openRemotes opens the repositories from which a remote's tasks come and to which they
// go, by git's configuration (insteadOf, pushInsteadOf, pushurl).
func (a *app) openRemotes(ctx context.Context, s *gitstore.Store, target gitstore.RemoteURL) (fetch, push *remote.Remote, err error) {
	gitDir := s.Dir()
	if why := a.distrusted(gitDir); why != "" {
		a.warn("%s: its git configuration does not count", why)
		gitDir = ""
	}
	opts := remote.Options{GitDir: gitDir, Messages: a.remoteMessages(), Ask: a.asker(ctx)}
	urls, err := remote.Resolve(ctx, target.Name, target.URL, opts)
	if err != nil {
		return nil, nil, err
	}
	if fetch, err = remote.Open(urls.Fetch, opts); err != nil {
		return nil, nil, err
	}
	if urls.Push == urls.Fetch {
		return fetch, fetch, nil
	}
	push, err = remote.Open(urls.Push, opts)
	return fetch, push, err
}

// errGaveWay says why a sync in the background was ended.
var errGaveWay = errors.New("it had got nowhere when another push, pull or sync of this home was given, and made way")

// gaveWay is for how long somebody waits for an exchange in the background to end.
const gaveWay = 2 * time.Second

// giveWay returns a context that ends when somebody has waited for the exchange: one in
// the background may be talking to a host that does not answer. The next run syncs again.
func giveWay(ctx context.Context, s *gitstore.Store) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		const look = 200 * time.Millisecond
		for wanted := time.Duration(0); wanted < gaveWay; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(look):
			}
			if wanted += look; !s.ExchangeWanted() {
				wanted = 0
			}
		}
		cancel(errGaveWay)
	}()
	return ctx, func() { cancel(nil) }
}

// interrupted says it in words when it was the user who ended an exchange.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return &interruptedError{"interrupted; nothing was changed that was not whole"}
	}
	return err
}

func fetchOptions(cfg *config.Config, o shareOptions, show gitstore.Progress) gitstore.FetchOptions {
	return gitstore.FetchOptions{
		MaxPack: cfg.Size("share.max_pack"), MaxObject: cfg.Size("share.max_object"), MaxRecord: cfg.Size("share.max_record"), MaxUnpacked: cfg.Size("share.max_unpacked"),
		SkipInvalid: o.skipInvalid, Progress: show,
	}
}

// exchangePatience is how long another exchange is waited for in silence.
const exchangePatience = time.Second

// lockExchange waits for other exchanges of this home to end.
func (a *app) lockExchange(ctx context.Context, s *gitstore.Store, name string, background bool) (func(), error) {
	what := "the exchange"
	if background {
		what = "the sync in the background"
	}
	who := fmt.Sprintf("%s with %s (process %d on %s)", what, name, os.Getpid(), hostname())
	soon, cancel := context.WithTimeout(ctx, exchangePatience)
	defer cancel()
	unlock, err := s.LockExchange(soon, who)
	if errors.Is(err, gitstore.ErrBusy) && ctx.Err() == nil {
		a.note("Waiting for %s to end.", cmp.Or(safe.Line(s.ExchangeHolder()), "another qme push, pull or sync of this home"))
		unlock, err = a.waitExchange(ctx, s, who, background)
	}
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	return unlock, err
}

// waitExchange waits for the exchange that is at work. One in the background ends for
// those that are not.
func (a *app) waitExchange(ctx context.Context, s *gitstore.Store, who string, background bool) (func(), error) {
	if !background {
		release, err := s.WantExchange()
		if err != nil {
			return nil, err
		}
		defer release()
	}
	return s.LockExchange(ctx, who)
}

// An exchange connects the history with one remote. It is a tasks.Exchange.
type exchange struct {
	store    *gitstore.Store
	remote   *remote.Remote
	pushTo   *remote.Remote // mostly the same
	name     string
	fetch    gitstore.FetchOptions
	warn     func(msg string)
	progress gitstore.Progress
	refused  []gitstore.Refused
}

// Fetch implements tasks.Exchange.
func (x *exchange) Fetch(ctx context.Context) (string, error) {
	session, err := x.remote.Fetch(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	got, err := x.store.Fetch(ctx, x.name, session, x.fetch)
	if errors.Is(err, record.ErrInvalid) && session.Shallow() {
		err = fmt.Errorf("%w (the remote is a shallow clone, which lacks what came before: \"git fetch --unshallow\" there brings it)", err)
	}
	if err != nil {
		return "", err
	}
	x.refused = got.Refused
	return got.Commit, nil
}

// Merge implements tasks.Exchange.
func (x *exchange) Merge(ctx context.Context, commit string) (before, after string, err error) {
	var skip []string
	for _, r := range x.refused {
		skip = append(skip, r.Path)
	}
	m, err := x.store.Merge(ctx, commit, skip)
	if err != nil {
		return "", "", err
	}
	return m.Before, m.After, nil
}

// Push implements tasks.Exchange.
func (x *exchange) Push(ctx context.Context, dryRun bool) (before, after string, err error) {
	session, err := x.pushTo.Push(ctx)
	if err != nil {
		return "", "", err
	}
	defer session.Close()
	p, err := x.store.Push(ctx, x.name, session, gitstore.PushOptions{
		DryRun: dryRun, Progress: x.progress, SkipInvalid: x.fetch.SkipInvalid, Warn: x.warn,
		Limits: gitstore.ShareLimits{Object: x.fetch.MaxObject, Record: x.fetch.MaxRecord},
		Usual:  gitstore.ShareLimits{Object: config.DefaultSize("share.max_object"), Record: config.DefaultSize("share.max_record")},
	})
	if errors.Is(err, remote.ErrMoved) {
		err = fmt.Errorf("%w: %w", gitstore.ErrMoved, err)
	}
	if err != nil {
		return "", "", err
	}
	return p.Before, p.After, nil
}

// Base implements tasks.Exchange.
func (x *exchange) Base(ctx context.Context, a, b string) (string, error) {
	return x.store.Base(ctx, a, b)
}

// Count implements tasks.Exchange.
func (x *exchange) Count(ctx context.Context, from, to string) (tasks.Traffic, error) {
	return countTasks(ctx, x.store, from, to)
}

// Head implements tasks.Exchange.
func (x *exchange) Head() (string, error) {
	return x.store.Head()
}

func countTasks(ctx context.Context, s *gitstore.Store, from, to string) (t tasks.Traffic, err error) {
	if from == to {
		return t, nil
	}
	for d, err := range s.Differences(ctx, from, to) {
		switch {
		case err != nil:
			return t, err
		case d.Added:
			t.Tasks++
		case d.Removed:
			t.Cleared++
		default:
			t.Reruns++
		}
	}
	return t, nil
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
func (a *app) reportShared(target gitstore.RemoteURL, shared tasks.Shared, refused []gitstore.Refused, o shareOptions) error {
	sum := sharedJSON{Remote: target.Name, URL: remote.Shown(target.URL), DryRun: o.dryRun, Pulled: shared.Pulled, Pushed: shared.Pushed, Skipped: []skippedJSON{}}
	for _, r := range refused {
		a.warn("left out %s: %v", r.Path, r.Why)
		sum.Skipped = append(sum.Skipped, skippedJSON{r.Path, r.Why.Error()})
	}
	if len(refused) > 0 {
		a.warn("what is left out counts as cleared: a push takes it out of the remote's listing, too, and a later pull does not bring it")
	}
	if o.json {
		return a.printJSON(sum)
	}
	if a.quiet {
		return nil
	}
	_, err := fmt.Fprintln(a.out, summaryOf(shared, o.dryRun))
	return err
}

// summaryOf is one line, such as "pulled 12 tasks, 3 reruns; pushed 4 tasks".
func summaryOf(s tasks.Shared, dryRun bool) string {
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
	}{{t.Tasks, "task", "tasks"}, {t.Reruns, "rerun", "reruns"}, {t.Cleared, "cleared", "cleared"}} {
		switch {
		case c.n == 1:
			parts = append(parts, "1 "+c.one)
		case c.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.many))
		}
	}
	return strings.Join(parts, ", ")
}

// transferProgress shows on a terminal how far a transfer is.
func (a *app) transferProgress() (gitstore.Progress, func()) {
	show, done := a.progress()
	if show == nil {
		return nil, done
	}
	return func(objects, total int, bytes int64) {
		what := "objects"
		if bytes > 0 {
			what += ", " + humanize.IBytes(uint64(bytes))
		}
		show(what, objects, total)
	}, done
}

// remoteMessages is where what a remote says goes: to somebody who is there to read
// it.
func (a *app) remoteMessages() io.Writer {
	if a.quiet {
		return nil
	}
	return a.err
}

// asker asks for names and passwords on the terminal, until ctx ends; it is nil where
// there is no terminal.
func (a *app) asker(ctx context.Context) func(string, bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	_ = tty.Close() // it is opened again when something is asked
	if !isTerminal(a.err) {
		return nil
	}
	return func(prompt string, secret bool) (string, error) { return askOnTerminal(ctx, prompt, secret) }
}

func askOnTerminal(ctx context.Context, prompt string, secret bool) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	state, err := term.GetState(int(tty.Fd()))
	if err == nil {
		_, err = fmt.Fprint(tty, safe.Line(prompt))
	}
	if err != nil {
		return "", errors.Join(err, tty.Close())
	}
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := readAnswer(tty, secret)
		answered <- answer{text, err}
	}()
	select {
	case got := <-answered:
		return got.text, errors.Join(got.err, tty.Close())
	case <-ctx.Done():
		// The terminal may be one that shows nothing of what is typed, and what reads
		// from it reads on; the process is about to end.
		_, err := fmt.Fprintln(tty)
		return "", errors.Join(ctx.Err(), err, term.Restore(int(tty.Fd()), state))
	}
}

func readAnswer(tty *os.File, secret bool) (string, error) {
	if secret {
		b, err := term.ReadPassword(int(tty.Fd()))
		_, perr := fmt.Fprintln(tty)
		return string(b), errors.Join(err, perr)
	}
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := tty.Read(one)
		if n == 0 || err != nil {
			return "", errors.Join(err, errors.New("nothing was entered"))
		}
		if one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[0])
	}
}

// remoteExits are the errors of remotes. That others push all the time, or hold the
// lock of the branch, is one too.
var remoteExits = []error{
	remote.ErrNotFound, remote.ErrAccess, remote.ErrHostKey, remote.ErrOffline, remote.ErrDeclined, remote.ErrServer, remote.ErrProtocol,
	gitstore.ErrBehind, gitstore.ErrMoved,
}

func isRemoteError(err error) bool {
	return slices.ContainsFunc(remoteExits, func(e error) bool { return errors.Is(err, e) })
}

// noteUnsharable says so when a setting has just been set that lets this home record what
// others do not let in.
func (a *app) noteUnsharable(setting string) {
	cfg, err := a.config()
	if err != nil {
		return // whoever uses the settings will be told
	}
	usual := config.DefaultSize("share.max_object")
	switch {
	case setting == "run.keep" && cfg.Size(setting) > usual:
		a.note("Other homes let in streams of up to %s, unless share.max_object is raised there: larger ones will not be pushed.", humanize.IBytes(uint64(usual)))
	case setting == "run.inline" && cfg.Size(setting) > record.MaxInline:
		a.note("A stream whose lines take more than %s as JSON is stored beside its record all the same.", humanize.IBytes(record.MaxInline))
	}
}
