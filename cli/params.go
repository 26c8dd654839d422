package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/record"
	"qme/tasks/sweep"
)

const paramOption = "param"

// paramFlag is the option that names parameters of a run.
func paramFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: paramOption, Usage: "record the parameter `NAME=VALUE`, which the command has in QME_PARAM_NAME; may be repeated"}
}

// readParams reads the options of paramFlag.
func readParams(c *cli.Command) (list record.Params, err error) {
	for _, one := range c.StringSlice(paramOption) {
		name, value, ok := strings.Cut(one, "=")
		if err = sweep.CheckName(name); err == nil {
			err = sweep.CheckValue(name, value)
		}
		switch _, twice := list.Get(name); {
		case !ok:
			return nil, paramUsage(c, "takes NAME=VALUE, not %s", quoted(one))
		case err != nil:
			return nil, paramUsage(c, "%s", said(err.Error()))
		case twice:
			return nil, paramUsage(c, "names %s twice", name)
		case len(list) == record.MostParams:
			return nil, paramUsage(c, "can be given %d times", record.MostParams)
		}
		list = append(list, record.Param{Name: name, Value: value})
	}
	return list, nil
}

func paramUsage(c *cli.Command, format string, args ...any) error {
	return &usageError{msg: "--" + paramOption + " " + fmt.Sprintf(format, args...), help: "qme " + c.Name + " --help"}
}
