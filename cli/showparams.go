package cli

import (
	"fmt"
	"slices"
	"strings"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// params shows the parameters of the run, and its group.
func (p *page) params() {
	p.line("Parameters", safe.Line(paramsText(p.r.Data.Params)))
	g := p.r.Data.Group
	if g == nil {
		return
	}
	number, seed := "", ""
	if g.Index > 0 && g.Size > 0 {
		number = fmt.Sprintf("task %d of %d", g.Index, g.Size)
	}
	if g.Seed != "" {
		seed = "chosen at random with seed " + g.Seed
	}
	p.line("Group", joined(", ", g.Name, number, seed))
}

// variablesText returns parameters as a shell sets variables for one command, with a blank after them.
func variablesText(params record.Params) string {
	text := ""
	for _, one := range params {
		text += tasks.ParamVariable + one.Name + "=" + executor.Quote([]string{one.Value}) + " "
	}
	return text
}

// only returns the parameters of some names.
func only(params record.Params, names []string) record.Params {
	return slices.DeleteFunc(slices.Clone(params), func(p record.Param) bool { return !slices.Contains(names, p.Name) })
}

// paramsText returns parameters as they can be given to --param.
func paramsText(params record.Params) string {
	var words []string
	for _, one := range params {
		words = append(words, one.Name+"="+executor.Quote([]string{one.Value}))
	}
	return strings.Join(words, " ")
}
