package cli

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/provenance"
	"qme/record"
)

// declareFlags are the options that declare the files of a run.
func declareFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "in", Aliases: []string{"input"}, Usage: "list the files that match `GLOB`, or lie in a folder, as inputs; may be repeated"},
		&cli.StringSliceFlag{Name: "out", Aliases: []string{"output"}, Usage: "list those that match `GLOB` and are new or changed as outputs; may be repeated"},
	}
}

// traceFlag is the option that traces the command.
func traceFlag(trace *bool) cli.Flag {
	return &cli.BoolFlag{Name: "trace", Usage: "list all files that the command and its descendants use (Linux)", Destination: trace}
}

// hashFlag is the option that has all files hashed.
func hashFlag(hash *bool) cli.Flag {
	return &cli.BoolFlag{Name: "hash", Usage: "hash all files that are listed, however large, and wait for that", Destination: hash}
}

// readDeclared reads the files that are declared for a run by a command line.
func readDeclared(c *cli.Command) (provenance.Declared, error) {
	d := provenance.Declared{In: c.StringSlice("in"), Out: c.StringSlice("out")}
	for _, list := range []struct {
		option   string
		patterns []string
	}{{"in", d.In}, {"out", d.Out}} {
		why := ""
		switch {
		case slices.Contains(list.patterns, ""):
			why = fmt.Sprintf("--%s needs a path, and was given nothing, as by a variable that is not set", list.option)
		case len(list.patterns) > record.MostDeclared:
			why = fmt.Sprintf("--%s can be given %d times; a pattern such as 'data/**', or a folder, stands for many files", list.option, record.MostDeclared)
		case slices.ContainsFunc(list.patterns, func(p string) bool { return len(p) > record.LongestDeclared }):
			why = fmt.Sprintf("--%s takes at most %d bytes", list.option, record.LongestDeclared)
		}
		if why != "" {
			return d, &usageError{msg: why, help: "qme " + c.Name + " --help"}
		}
	}
	return d, nil
}

// notExpanded returns an error if the command is a file that cannot be run, because the shell has
// made several words of a pattern for declared files.
func notExpanded(d provenance.Declared, words []string) error {
	info, err := os.Stat(words[0])
	if len(d.In)+len(d.Out) == 0 || err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 != 0 {
		return nil
	}
	if _, err := exec.LookPath(words[0]); err == nil || strings.ContainsAny(words[0], " \t\n") {
		return nil // there is a program of this name, or it is a line for the shell
	}
	return runUsage("%s is no program; if your shell has replaced a pattern by names of files, put it in quotes, as in --in 'data/*.csv'", executor.Quote(words[:1]))
}
