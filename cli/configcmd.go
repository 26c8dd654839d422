package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/afero"
	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/executor"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/mirror/target"
)

type configOptions struct {
	json     bool
	unset    bool
	set      bool
	edit     bool
	database string
}

type configCommand struct {
	term     *terminal
	settings *settings
}

func (cmd *configCommand) command() *cli.Command {
	var o configOptions
	return &cli.Command{
		Name:      "config",
		Usage:     "show or change settings",
		ArgsUsage: "[KEY [VALUE]]",
		Description: `Without arguments it shows every setting, its value, and the source of the value:
the default, the file config.toml, or a variable such as QME_RUN_KEEP, which
overrides the file. A list replaces the current one; names that begin with + are
added to it.

Examples:
  qme config
  qme config run.keep
  qme config run.keep 256MiB
  qme config run.env +MYVAR
  qme config --unset run.keep
  qme config --set shell shell bash
  qme config --database filesystem`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &o.json},
			&cli.BoolFlag{Name: "unset", Usage: "go back to the default of KEY", Destination: &o.unset},
			&cli.BoolFlag{Name: "edit", Usage: "edit the file with VISUAL or EDITOR, and check it before it is saved", Destination: &o.edit},
			&cli.BoolFlag{Name: "set", Usage: "set an executor's setting: --set EXECUTOR KEY VALUE", Destination: &o.set},
			&cli.StringFlag{Name: "database", Usage: "mirror the history in a database `X`; filesystem: none", Destination: &o.database},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			return cmd.run(c, o)
		},
	}
}

func (cmd *configCommand) run(c *cli.Command, o configOptions) error {
	home, err := cmd.settings.homeDir()
	if err != nil {
		return err
	}
	fsys, args := regular.NewFS(), c.Args().Slice()
	usage := func(msg string) error { return &usageError{msg: msg, help: "qme config --help"} }
	if meant, ok := otherConfig(args); ok && !o.set && !o.unset {
		return usage(fmt.Sprintf("there is no setting %q; did you mean %q?", args[0], executor.Quote(append([]string{"qme", "config"}, meant...))))
	}
	switch {
	case c.IsSet("database"):
		if len(args) > 0 || o.set || o.unset || o.edit {
			return usage("--database stands alone")
		}
		return cmd.setOne(fsys, home, "database", o.database)
	case o.edit:
		if len(args) > 0 || o.set || o.unset {
			return usage("--edit stands alone")
		}
		return cmd.editConfig(home)
	case o.set:
		if len(args) != 3 || o.unset {
			return usage("--set takes EXECUTOR KEY VALUE")
		}
		return settingError(config.Set(fsys, home, "executor."+args[0]+"."+args[1], args[2]))
	case o.unset:
		if len(args) != 1 {
			return usage("--unset takes a KEY")
		}
		return settingError(config.Unset(fsys, home, args[0]))
	case len(args) == 2:
		return cmd.setOne(fsys, home, args[0], args[1])
	case len(args) > 2:
		return usage("config takes a KEY and a VALUE; quote a VALUE with spaces")
	}
	return cmd.showConfig(args, o.json)
}

// setOne changes a setting and warns if that alone is not enough.
func (cmd *configCommand) setOne(fsys afero.Fs, home, key, value string) error {
	if err := checkSaved(key, value); err != nil {
		return err
	}
	if err := config.Set(fsys, home, key, value); err != nil {
		return settingError(err)
	}
	cmd.noteUnsharable(key)
	if key != "database" {
		return nil
	}
	if _, err := target.Parse(value, os.Getenv(target.ConnectionVariable), home); err != nil {
		cmd.term.warn("it is set, but nothing is mirrored yet: %v", err)
	}
	return nil
}

// otherConfig returns the words after "config" that are meant by a command in the style
// of git or gh, such as config set KEY VALUE; ok is false for other words.
func otherConfig(args []string) (meant []string, ok bool) {
	if len(args) == 0 {
		return nil, false
	}
	switch rest := args[1:]; args[0] {
	case "set", "add":
		return orWords(rest, "KEY", "VALUE"), true
	case "get", "show":
		return orWords(rest, "KEY"), true
	case "list", "ls":
		return rest, true
	case "unset", "rm", "remove", "delete":
		return append([]string{"--unset"}, orWords(rest, "KEY")...), true
	case "edit":
		return append([]string{"--edit"}, rest...), true
	}
	return nil, false
}

// orWords returns words, or others if there are no words.
func orWords(words []string, others ...string) []string {
	if len(words) == 0 {
		return others
	}
	return words
}

func (cmd *configCommand) showConfig(keys []string, asJSON bool) error {
	cfg, err := cmd.settings.readConfig()
	if err == nil {
		err = cfg.Unread()
	}
	if err != nil {
		return err
	}
	cmd.settings.cfg = cfg
	if len(keys) == 1 {
		if err := cfg.Wrong(keys[0]); err != nil {
			return settingError(err)
		}
	}
	cmd.settings.tellMistakes()
	cmd.settings.checkExecutors(cfg)
	settings := cfg.All()
	if len(keys) == 1 {
		s, err := cfg.Lookup(keys[0])
		if err != nil {
			return settingError(err)
		}
		if !asJSON {
			_, err = fmt.Fprintln(cmd.term.out, safe.Line(s.Value))
			return err
		}
		settings = []config.Setting{s}
	}
	if asJSON {
		enc := json.NewEncoder(cmd.term.out)
		enc.SetEscapeHTML(false)
		for _, s := range settings {
			if err := enc.Encode(s); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(cmd.term.out, 0, 8, 2, ' ', 0)
	for _, s := range settings {
		from := string(s.Source)
		if s.Where != "" {
			from += " (" + s.Where + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, safe.Line(from), safe.Line(s.Value))
	}
	return w.Flush()
}
