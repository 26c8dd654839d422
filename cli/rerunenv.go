package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"qme/internal/mask"
	"qme/internal/safe"
)

const (
	// toldVariables is the number of variables that differ and are named before a rerun.
	toldVariables = 5
	// toldValue limits the length of such a name and of such a value, in bytes.
	toldValue = 80
)

// tellEnv prints a note that names the variables whose recorded value is not the current one,
// since a rerun takes the current environment. was is the recorded environment, recorded are
// the patterns of the setting run.env. Values are compared and shown as set masks them.
func (cmd *rerunCommand) tellEnv(was map[string]string, recorded []string, set *mask.Set) {
	var told []string
	more := 0
	for _, name := range slices.Sorted(maps.Keys(was)) {
		value, there := os.LookupEnv(name)
		value = set.Variable(name, value, mask.Counts{})
		if there && strings.ToValidUTF8(value, "\uFFFD") == was[name] {
			continue
		}
		if len(told) == toldVariables {
			more++
			continue
		}
		state := "not set now"
		switch {
		case there && len(allowedEnv([]string{name + "="}, recorded)) == 0:
			// A record of somebody else may name a variable that holds a secret here.
			state = "different now"
		case there:
			state = shownValue(value) + " now"
		}
		told = append(told, fmt.Sprintf("%s=%s, which is %s", shownPart(name), shownPart(was[name]), state))
	}
	if more > 0 {
		told = append(told, fmt.Sprintf("%d more differ", more))
	}
	if len(told) > 0 {
		cmd.term.beside("It was recorded with %s.", strings.Join(told, "; "))
	}
}

// shownPart returns a name or a value of a variable as it is shown on one line.
func shownPart(text string) string { return safe.Line(safe.Shorten(text, toldValue)) }

func shownValue(value string) string {
	if value == "" {
		return "empty"
	}
	return shownPart(value)
}
