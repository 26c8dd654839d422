package tasks

import (
	"slices"
	"strings"

	"qme/record"
)

// ParamVariable begins the names of the environment variables in which a command finds its parameters.
const ParamVariable = "QME_PARAM_"

// withParams returns an environment, which it changes in place, with the parameters of a run. Those of the run around it stay, but for
// parameters of the same name.
func withParams(env []string, params record.Params) []string {
	env = slices.DeleteFunc(env, func(kv string) bool {
		name, is := strings.CutPrefix(kv, ParamVariable)
		name, _, _ = strings.Cut(name, "=")
		_, own := params.Get(name)
		return is && own
	})
	for _, p := range params {
		env = append(env, ParamVariable+p.Name+"="+p.Value)
	}
	return env
}

// byName returns the values of parameters by their names.
func byName(params record.Params) map[string]string {
	values := make(map[string]string, len(params))
	for _, p := range params {
		values[p.Name] = p.Value
	}
	return values
}

// metricsByName returns the values of metrics by their names.
func metricsByName(metrics record.Metrics) map[string]string {
	values := make(map[string]string, len(metrics))
	for _, m := range metrics {
		values[m.Name] = string(m.Value)
	}
	return values
}
