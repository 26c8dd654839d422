package cli

import (
	"path"
	"slices"
	"strings"

	"qme/cli/config"
	"qme/gitstore/remote"
	"qme/mirror/target"
	"qme/tasks"
)

// The variables that qme reads beside those of settings.
const (
	homeVariable = "QME_HOME"
	// taskVariable names the task whose command a process belongs to, in its environment.
	taskVariable = tasks.Variable
)

// ownVariables are all of them. What is secret opens something: the mirror, a remote.
var ownVariables = []config.Variable{
	{Name: homeVariable},
	{Name: taskVariable},
	{Name: target.ConnectionVariable, Secret: true},
	{Name: remote.TokenVariable, Secret: true},
}

// ownNames are the names of ownVariables.
func ownNames() []string {
	var names []string
	for _, v := range ownVariables {
		names = append(names, v.Name)
	}
	return names
}

// isSecret reports whether a variable is never recorded, whatever the setting run.env says:
// records are shared.
func isSecret(name string) bool {
	return slices.Contains(append(config.Variables(), ownVariables...), config.Variable{Name: name, Secret: true})
}

// isKnown reports whether qme reads a variable.
func isKnown(name string) bool {
	return slices.ContainsFunc(append(config.Variables(), ownVariables...), func(v config.Variable) bool { return v.Name == name })
}

// allowedEnv returns the variables whose name fits one of the patterns.
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

// allows reports whether a pattern is for a variable. One that is called as qme's are, and
// is none, may be a secret that was mistyped, and has to be named.
func allows(pattern, name string) bool {
	if strings.HasPrefix(strings.ToUpper(name), config.VariablePrefix) && !isKnown(name) {
		return pattern == name
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
