package cli

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v3"
)

// scripts are the scripts with which the shells call "qme __complete".
//
//go:embed completion
var scripts embed.FS

func completionCommand(term *terminal) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands in bash, zsh or fish",
		ArgsUsage: "bash|zsh|fish",
		Description: `It completes commands, options, tasks, remotes and settings. After "qme run" it
completes the command as the shell does without qme. To install the script:

  bash   source <(qme completion bash)        in ~/.bashrc
  zsh    source <(qme completion zsh)         in ~/.zshrc, below compinit
  fish   qme completion fish | source         in ~/.config/fish/config.fish

Examples:
  qme completion bash > ~/.local/share/bash-completion/completions/qme`,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			return printCompletion(term, c.Args().First())
		},
	}
}

func printCompletion(term *terminal, shell string) error {
	text, err := scripts.ReadFile("completion/qme." + shell)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return &usageError{msg: fmt.Sprintf("completion takes bash, zsh or fish, not %q", shell), help: "qme completion --help"}
	}
	if err != nil {
		return err
	}
	_, err = term.out.Write(text)
	return err
}
