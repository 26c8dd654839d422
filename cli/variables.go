package cli

import (
	"path"
	"slices"
	"strings"

	"qme/cli/config"
	"qme/gitstore/remote"
	"qme/mirror/target"
	"qme/queue"
	"qme/tasks"
)

// The variables that qme reads besides those of settings.
const (
	homeVariable = "QME_HOME"
	// taskVariable is set in the environment of a command to its task.
	taskVariable = tasks.Variable
	// runVariable is set in the environment of a command to its run.
	runVariable = tasks.RunVariable
)

// ownVariables are the variables that are no settings. The secret ones give access to the
// mirror or a remote.
var ownVariables = []config.Variable{
	{Name: homeVariable},
	{Name: taskVariable}, {Name: runVariable}, {Name: tasks.TraceVariable},
	{Name: queue.EventVariable}, {Name: queue.StatusVariable}, {Name: queue.CodeVariable}, {Name: queue.WardenVariable},
	{Name: target.ConnectionVariable, Secret: true},
	{Name: remote.TokenVariable, Secret: true},
}

func ownNames() []string {
	var names []string
	for _, v := range ownVariables {
		names = append(names, v.Name)
	}
	return names
}

// isSecret reports whether a variable is never recorded, not even by the setting run.env,
// because records are shared.
func isSecret(name string) bool {
	return slices.Contains(append(config.Variables(), ownVariables...), config.Variable{Name: name, Secret: true})
}

// isKnown reports whether qme reads a variable, or sets it for a command.
func isKnown(name string) bool {
	return strings.HasPrefix(name, tasks.ParamVariable) || slices.ContainsFunc(append(config.Variables(), ownVariables...), func(v config.Variable) bool { return v.Name == name })
}

// allowedEnv returns the variables whose names match one of the patterns and that are not
// secret.
func allowedEnv(environ, patterns []string) []string {
	var allowed []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if slices.ContainsFunc(patterns, func(p string) bool { return allows(p, name) }) && !isSecret(name) {
			allowed = append(allowed, kv)
		}
	}
	return allowed
}

// allows reports whether a pattern matches a variable. An unknown variable with qme's
// prefix may be a mistyped secret, so it must be named exactly.
func allows(pattern, name string) bool {
	if strings.HasPrefix(strings.ToUpper(name), config.VariablePrefix) && !isKnown(name) {
		return pattern == name
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
