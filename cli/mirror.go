package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/afero"
	"github.com/urfave/cli/v3"

	"qme/gitstore"
	"qme/internal/lockfile"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/internal/wholefile"
	"qme/mirror"
	"qme/mirror/target"
	"qme/record"
	"qme/tasks"
)

func (a *app) mirrorCommand() *cli.Command {
	var asJSON, auto bool
	return &cli.Command{
		Name:      "mirror",
		Usage:     "show or rebuild the mirror in a database",
		ArgsUsage: "status|rebuild",
		Description: `A mirror is a copy of the history in sqlite, PostgreSQL or MySQL, for "qme sql" and
other programs. It follows each run by itself. "status" says how far behind it is,
"rebuild" makes this home's part of it anew.

Examples:
  qme config --database sqlite
  qme mirror rebuild
  qme mirror status`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the status as JSON", Destination: &asJSON},
			&cli.BoolFlag{Name: "auto", Usage: "in the background's manner", Destination: &auto, Hidden: true},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			switch what := c.Args().First(); {
			case auto:
				return a.followBehind(ctx)
			case what == "status":
				return a.mirrorStatus(ctx, asJSON)
			case what == "rebuild":
				return a.mirrorRebuild(ctx)
			default:
				return &usageError{msg: "mirror takes status or rebuild", help: "qme mirror --help"}
			}
		},
	}
}

// mirrorTarget returns the database that the settings name, nil when there is none.
func (a *app) mirrorTarget() (*target.Target, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	if err := cfg.Wrong("database"); err != nil {
		return nil, a.unlessTold(err)
	}
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	t, err := target.Parse(cfg.String("database"), os.Getenv(target.ConnectionVariable), home)
	return t, settingError(err)
}

// configuredMirror is mirrorTarget where there has to be one.
func (a *app) configuredMirror() (*target.Target, error) {
	t, err := a.mirrorTarget()
	if err == nil && t == nil {
		err = &usageError{msg: `no mirror is set; "qme config --database sqlite" sets one`, help: "qme mirror --help"}
	}
	return t, err
}

// openMirror opens the mirror of this home in a database.
func (a *app) openMirror(t *target.Target) (*mirror.Mirror, error) {
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	id, err := homeID(home)
	if err != nil {
		return nil, err
	}
	return mirror.Open(t, mirror.Home{ID: id, Name: fmt.Sprintf("%s@%s:%s", login(), hostname(), home)})
}

// homeIDFile is the file of the home with its name in databases.
const homeIDFile = "mirror.id"

// homeID returns what names this home in every database, and chooses it at the first
// use.
func homeID(home string) (string, error) {
	path := filepath.Join(home, homeIDFile)
	for tries := 0; ; tries++ {
		b, err := regular.ReadHere(path)
		if errors.Is(err, fs.ErrNotExist) && tries > 2 {
			return "", fmt.Errorf("%s leads nowhere: remove it: %w", path, record.ErrInvalid)
		}
		if errors.Is(err, fs.ErrNotExist) {
			if err = makeHomeID(path); err != nil {
				return "", err
			}
			continue
		}
		if err != nil {
			return "", err
		}
		id, err := uuid.Parse(strings.TrimSpace(string(b)))
		if err != nil {
			return "", fmt.Errorf("%s holds no UUID: remove it, and run \"qme mirror rebuild\"", path)
		}
		return id.String(), nil
	}
}

// makeHomeID makes the file, or leaves the one that another process has made.
func makeHomeID(path string) error {
	id, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	fsys := afero.NewOsFs()
	err = wholefile.Create(fsys, path, []byte(id.String()+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return wholefile.RemoveLeft(fsys, path)
}

// catchUp brings the mirror up to date, or makes it anew.
func (a *app) catchUp(ctx context.Context, t *target.Target, anew bool) (mirror.Applied, error) {
	show, done := a.progress()
	defer done()
	var progress func(int)
	if show != nil {
		progress = func(n int) { show("tasks mirrored", n, 0) }
	}
	return a.repairing(ctx, t, anew, progress)
}

// repairing is catchUpOnce, once more where a file of the home's own is damaged.
func (a *app) repairing(ctx context.Context, t *target.Target, anew bool, progress func(int)) (mirror.Applied, error) {
	s, err := a.openStore()
	if err != nil {
		return mirror.Applied{}, err
	}
	for again := false; ; again = true {
		applied, err := a.catchUpOnce(ctx, t, s, anew, progress)
		if !errors.Is(err, mirror.ErrDamaged) || !t.Own || again {
			return applied, err
		}
		if err := removeMirror(t); err != nil {
			return applied, err
		}
	}
}

func (a *app) catchUpOnce(ctx context.Context, t *target.Target, h mirror.History, anew bool, progress func(int)) (mirror.Applied, error) {
	m, err := a.openMirror(t)
	if err != nil {
		return mirror.Applied{}, err
	}
	defer m.Close()
	if anew {
		return m.Rebuild(ctx, h, progress)
	}
	return m.CatchUp(ctx, h, progress)
}

// removeMirror removes a file that is the home's own and damaged.
func removeMirror(t *target.Target) error {
	for _, suffix := range []string{"-journal", "-wal", "-shm", ""} {
		if err := os.Remove(t.Path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// followLimit is how long a command waits for the mirror behind its own work.
const followLimit = 200 * time.Millisecond

// follow brings the mirror up to date behind a command that has changed the history.
// It fails nothing and holds up nobody: what takes too long, or did not work the last
// time, is left to a process of its own.
func (a *app) follow() {
	t, err := a.mirrorTarget()
	if errors.Is(err, errNoDefault) {
		return // the mistake has been said, and the mirror catches up when it is mended
	}
	if err != nil {
		a.note("qme: %s", said("the mirror does not follow: "+err.Error()))
		return
	}
	if t == nil {
		return
	}
	if trouble := a.mirrorTrouble(); trouble.why != "" {
		a.tellTrouble(trouble)
		a.startDetached("mirror", "--auto")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), followLimit)
	defer cancel()
	switch _, err := a.followInTurn(ctx, t, nil); {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, mirror.ErrDamaged) && t.Own:
		a.startDetached("mirror", "--auto")
	default:
		a.noteTrouble(err)
		a.tellTrouble(a.mirrorTrouble())
	}
}

// followInTurn catches up until nothing is left. Of many runs at once one does, and
// the others leave theirs to it. With progress, which is told of the tasks so far, a
// file of the home's own that is damaged is made anew. It says whether it was this
// process that has caught up.
func (a *app) followInTurn(ctx context.Context, t *target.Target, progress func(int)) (caughtUp bool, err error) {
	s, err := a.openStore()
	if err != nil {
		return false, err
	}
	for {
		turn, ok, err := a.mirrorTurn()
		if err != nil || !ok {
			return caughtUp, err
		}
		var applied mirror.Applied
		if progress != nil {
			applied, err = a.repairing(ctx, t, false, progress)
		} else {
			applied, err = a.catchUpOnce(ctx, t, s, false, nil)
		}
		turn()
		if err != nil {
			return false, err
		}
		caughtUp = true
		// Who came meanwhile has seen the lock, and left it at that.
		head, err := s.Head()
		if err != nil || head == applied.Commit {
			return caughtUp, err
		}
	}
}

// mirrorTurn takes the lock of those that follow the history, unless somebody has it.
// Where there are no locks everybody has it: the database keeps them apart as well.
func (a *app) mirrorTurn() (release func(), ok bool, err error) {
	home, err := a.homeDir()
	if err != nil {
		return nil, false, err
	}
	f, err := lockfile.Open(afero.NewOsFs(), filepath.Join(home, "mirror.lock"), lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return func() { _ = f.Close() }, true, nil
}

// stallLimit ends a catch-up in the background that writes nothing for that long. A
// large history takes longer as a whole.
const stallLimit = 5 * time.Minute

var errStalled = fmt.Errorf("the database took nothing for %s", stallLimit)

// followBehind catches up in a process that nobody waits for.
func (a *app) followBehind(ctx context.Context) error {
	a.quiet = true
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallLimit, func() { cancel(errStalled) })
	defer stalled.Stop()
	t, err := a.mirrorTarget()
	caughtUp := err == nil && t == nil
	if err == nil && t != nil {
		caughtUp, err = a.followInTurn(ctx, t, func(int) { stalled.Reset(stallLimit) })
	}
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			err = fmt.Errorf("%s: %w", t, errStalled)
		}
		a.noteTrouble(err)
		return nil
	}
	if !caughtUp {
		return nil // whoever has the turn will know whether the trouble is over
	}
	return a.clearTrouble()
}

// A trouble is why the mirror could not follow the last time.
type trouble struct {
	why  string // "" for none
	told bool
}

// toldMark ends the note of a trouble that somebody has been told of.
const toldMark = "told"

func (a *app) troubleFile() (string, error) {
	home, err := a.homeDir()
	return filepath.Join(home, "mirror.log"), err
}

// mirrorTrouble reads the note. One that cannot be read is none: the next attempt
// makes another.
func (a *app) mirrorTrouble() trouble {
	path, err := a.troubleFile()
	if err != nil {
		return trouble{}
	}
	b, err := regular.ReadHere(path)
	if err != nil {
		return trouble{}
	}
	why, mark, _ := strings.Cut(string(b), "\n")
	return trouble{why: why, told: strings.TrimSpace(mark) == toldMark}
}

// noteTrouble notes why the mirror could not follow.
func (a *app) noteTrouble(err error) {
	why := strings.Join(strings.Split(err.Error(), "\n"), "; ")
	a.writeTrouble(trouble{why: time.Now().Format(time.RFC3339) + " " + safe.Line(why), told: a.mirrorTrouble().told})
}

func (a *app) writeTrouble(t trouble) {
	path, err := a.troubleFile()
	text := t.why + "\n"
	if t.told {
		text += toldMark + "\n"
	}
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		a.note("qme: %s", said(err.Error()))
	}
}

// tellTrouble tells of a trouble, unless that has been done.
func (a *app) tellTrouble(t trouble) {
	if t.told || a.quiet {
		return
	}
	a.note("qme: the mirror is behind (the history is not): %s; %s", hereTime(t.why), a.here("\"qme mirror status\" says more"))
	t.told = true
	a.writeTrouble(t)
}

func (a *app) clearTrouble() error {
	path, err := a.troubleFile()
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// mirrorRebuild makes this home's part of the mirror anew.
func (a *app) mirrorRebuild(ctx context.Context) error {
	t, err := a.configuredMirror()
	if err != nil {
		return err
	}
	if _, err := a.history(ctx); err != nil {
		return err
	}
	applied, err := a.catchUp(ctx, t, true)
	if err != nil {
		return interruptedMirror(err)
	}
	a.warnUnreadable(applied)
	a.note("Mirrored %s in %s.", traffic(tasks.Traffic{Tasks: applied.Tasks}), t)
	return a.clearTrouble()
}

// interruptedMirror says it in words when it was the user who ended it.
func interruptedMirror(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted; the mirror is as it was: %w", context.Canceled)
	}
	return err
}

func (a *app) warnUnreadable(applied mirror.Applied) {
	const shown = 5
	for i, err := range applied.Unreadable {
		if i == shown {
			a.warn("and %d more", len(applied.Unreadable)-shown)
			break
		}
		a.warn("not mirrored: %v", err)
	}
}

// A mirrorStatusJSON is how far a mirror is, as JSON. Its keys are stable.
type mirrorStatusJSON struct {
	Database string `json:"database"`
	// Commit is the newest one that is mirrored; "" when nothing is.
	Commit string        `json:"commit"`
	Behind tasks.Traffic `json:"behind"`
	// Unreadable counts records that are damaged, and so not in the mirror.
	Unreadable int `json:"unreadable"`
	// Trouble says why the mirror could not follow the last time; "" when it could.
	Trouble string `json:"trouble"`
}

func (a *app) mirrorStatus(ctx context.Context, asJSON bool) error {
	t, err := a.configuredMirror()
	if err != nil {
		return err
	}
	if _, err := a.settled(ctx); err != nil {
		return err
	}
	s, err := a.openStore()
	if err != nil {
		return err
	}
	st := mirrorStatusJSON{Database: t.String(), Trouble: a.mirrorTrouble().why}
	if _, err := a.compareMirror(ctx, s, t, &st); err != nil {
		return err
	}
	if !asJSON {
		_, err := fmt.Fprint(a.out, st.text())
		return err
	}
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, string(safe.JSON(b)))
	return err
}

// compareMirror finds how far the mirror is, and which version its tables have.
func (a *app) compareMirror(ctx context.Context, s *gitstore.Store, t *target.Target, st *mirrorStatusJSON) (schema int64, err error) {
	head, err := s.Head()
	if err != nil {
		return 0, err
	}
	if t.Kind == target.SQLite {
		if _, err := os.Stat(t.Path); errors.Is(err, fs.ErrNotExist) { // asking would make it
			st.Behind, err = tasks.Count(ctx, s, "", head)
			return 0, err
		}
	}
	m, err := a.openMirror(t)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	state, err := m.State(ctx)
	if err != nil {
		return 0, interruptedMirror(err)
	}
	from := state.Commit
	if from != "" {
		follows, err := s.IsAncestor(ctx, from, head)
		if err != nil {
			return 0, err
		}
		if !follows {
			from = "" // all of it will be made anew
		}
	}
	st.Commit, st.Unreadable = state.Commit, state.Unreadable
	st.Behind, err = tasks.Count(ctx, s, from, head)
	return state.Schema, err
}

func (st mirrorStatusJSON) text() string {
	var out strings.Builder
	state := "up to date"
	switch {
	case st.Behind != (tasks.Traffic{}):
		state = traffic(st.Behind) + " behind"
	case st.Commit == "":
		state = "empty"
	}
	fmt.Fprintf(&out, "%s: %s\n", safe.Line(st.Database), state)
	if st.Unreadable > 0 {
		fmt.Fprintf(&out, "not mirrored, as they cannot be read: %d; \"qme check\" says more\n", st.Unreadable)
	}
	if st.Trouble != "" {
		fmt.Fprintf(&out, "the last attempt failed: %s\n", safe.Line(hereTime(st.Trouble)))
	}
	return out.String()
}
