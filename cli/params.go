package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/record"
	"qme/tasks/options"
	"qme/tasks/sweep"
)

const paramOption = "param"

// paramFlag is the option that names parameters of a run.
func paramFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: paramOption, Usage: "record the parameter `NAME=VALUE`, which the command has in QME_PARAM_NAME; may be repeated"}
}

// readParams reads the options of paramFlag.
func readParams(c *cli.Command) (record.Params, error) { return readValues(c, paramOption) }

// readValues reads an option that names parameters with their values.
func readValues(c *cli.Command, option string) (list record.Params, err error) {
	for _, one := range c.StringSlice(option) {
		name, value, ok := strings.Cut(one, "=")
		if option == setOption { // as the command may write it
			name = options.Name(name)
		}
		if err = sweep.CheckName(name); err == nil {
			err = sweep.CheckValue(name, value)
		}
		switch _, twice := list.Get(name); {
		case !ok:
			return nil, paramUsage(c, option, "it takes NAME=VALUE, not %s", quoted(one))
		case err != nil:
			return nil, paramUsage(c, option, "%s", said(err.Error()))
		case twice:
			return nil, paramUsage(c, option, "%s is named twice", name)
		case len(list) == record.MostParams:
			return nil, paramUsage(c, option, "it can be given %d times", record.MostParams)
		}
		list = append(list, record.Param{Name: name, Value: value})
	}
	return list, nil
}

func paramUsage(c *cli.Command, option, format string, args ...any) error {
	return &usageError{msg: "--" + option + ": " + fmt.Sprintf(format, args...), help: "qme " + c.Name + " --help"}
}
