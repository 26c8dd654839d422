package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"qme/gitstore"
	"qme/gitstore/remote"
	"qme/internal/lazy"
	"qme/internal/safe"
	"qme/tasks"
)

type remoteCommand struct {
	term *terminal
	home *home
}

func (cmd *remoteCommand) command() *cli.Command {
	var asJSON, remove bool
	return &cli.Command{
		Name:      "remote",
		Usage:     "show or set where tasks are shared",
		ArgsUsage: "[[NAME] URL]",
		Description: `A remote is any git repository: a folder, or one behind ssh or https. Create an empty
one with "git init --bare", or at a git host. The default NAME is origin.

Examples:
  qme remote git@host:lab/tasks.git
  qme remote backup /mnt/backup/tasks.git
  qme remote
  qme remote --remove backup`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "remove", Usage: "forget the remote NAME", Destination: &remove},
			&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &asJSON},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if verb := c.Args().First(); verbs[verb] && !remove {
				return &usageError{msg: fmt.Sprintf("remote has no command %q: \"qme remote NAME URL\" adds one and changes it, \"qme remote --remove NAME\" removes it", verb), help: "qme remote --help"}
			}
			if err := atMost(c, 2); err != nil {
				return err
			}
			q, err := cmd.home.tasks()
			if err != nil {
				return err
			}
			switch args := c.Args().Slice(); {
			case remove && len(args) != 1:
				return &usageError{msg: "--remove takes the name of a remote", help: "qme remote --help"}
			case remove:
				return removeRemote(q, args[0])
			case len(args) == 2:
				return cmd.setRemote(q, args[0], args[1])
			case len(args) == 1:
				return cmd.oneRemote(q, args[0], asJSON)
			}
			return cmd.listRemotes(q, "", asJSON)
		},
	}
}

// verbs are the commands of "git remote". They are not accepted as names of remotes,
// since the user means the command of git.
var verbs = map[string]bool{"add": true, "remove": true, "rename": true, "rm": true, "set-url": true, "show": true}

func removeRemote(q *tasks.Service, name string) error {
	err := q.RemoveRemote(name)
	var none *tasks.NoRemoteError
	if errors.As(err, &none) {
		return unknownRemote(none.Name, none.Names)
	}
	return err
}

var bareWord = lazy.Regexp(`^[A-Za-z0-9_-]+$`)

// oneRemote handles a single argument: the name of a remote to show, or a URL to set.
func (cmd *remoteCommand) oneRemote(q *tasks.Service, arg string, asJSON bool) error {
	_, err := q.Remote(arg)
	var none *tasks.NoRemoteError
	switch {
	case err == nil:
		return cmd.listRemotes(q, arg, asJSON)
	case !errors.As(err, &none):
		return err
	}
	if bareWord().MatchString(arg) {
		return &usageError{msg: fmt.Sprintf("there is no remote %q, and it is no URL (a folder here is ./%s)", arg, arg), help: "qme remote --help"}
	}
	return cmd.setRemote(q, tasks.DefaultRemote, arg)
}

func (cmd *remoteCommand) setRemote(q *tasks.Service, name, url string) error {
	if err := gitstore.CheckRemoteName(remote.Shown(name)); err != nil { // the name may be a URL
		msg := err.Error()
		if _, uerr := remote.Open(name, remote.Options{}); uerr == nil && gitstore.CheckRemoteName(url) == nil {
			msg += fmt.Sprintf("; the name comes first: qme remote %s %s", url, remote.Shown(name))
		}
		return &usageError{msg: msg, help: "qme remote --help"}
	}
	url, err := remoteURL(url)
	if err != nil {
		return err
	}
	before, err := q.SetRemote(name, url)
	if err != nil {
		return err
	}
	if before != "" && before != url {
		cmd.term.note("The remote %s was %s before.", name, remote.Shown(before))
	}
	if _, err := os.Stat(url); filepath.IsAbs(url) && errors.Is(err, fs.ErrNotExist) {
		cmd.term.note("There is no folder %s yet; \"git init --bare\" makes a repository.", remote.Shown(url))
	}
	return nil
}

// remoteURL checks a URL, and makes a path absolute.
func remoteURL(url string) (string, error) {
	if _, err := remote.Open(url, remote.Options{}); err != nil {
		return "", &usageError{msg: said(err.Error()), help: "qme remote --help"}
	}
	head, _, _ := strings.Cut(url, "/")
	if strings.Contains(head, ":") {
		return url, nil
	}
	return filepath.Abs(url)
}

// A remoteJSON is a remote as JSON. Its keys are stable.
type remoteJSON struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// listRemotes prints the remotes, or only the named one.
func (cmd *remoteCommand) listRemotes(q *tasks.Service, name string, asJSON bool) error {
	remotes, err := q.Remotes()
	if err != nil {
		return err
	}
	list := []remoteJSON{}
	for _, r := range remotes {
		if name == "" || r.Name == name {
			list = append(list, remoteJSON{r.Name, remote.Shown(r.URL)})
		}
	}
	if asJSON {
		return cmd.term.printJSON(list)
	}
	if len(list) == 0 {
		cmd.term.note("%s", cmd.term.here("No remote is set; \"qme remote URL\" sets one."))
	}
	w := tabwriter.NewWriter(cmd.term.out, 0, 0, 2, ' ', 0)
	for _, r := range list {
		fmt.Fprintf(w, "%s\t%s\n", safe.Line(r.Name), safe.Line(r.URL))
	}
	return w.Flush()
}
