package docs

import (
	"fmt"
	"os"
	"strings"
)

// check runs a transcript and returns one text for each step that went another
// way than shown.
func check(s shell, tr transcript) []string {
	host, err := os.Hostname()
	if err != nil {
		return []string{err.Error()}
	}
	outputs, err := s.run(tr.steps)
	var failures []string
	for i, out := range outputs {
		st := tr.steps[i]
		got := strings.Split(strings.ReplaceAll(out, s.home, exampleHome), "\n")
		same := func(want, got string) bool {
			// On both sides, since the name may also be a word of its own.
			return normalise(rename(want, host)) == normalise(rename(got, host))
		}
		if d := diff(st.want, got, same); d != "" {
			failures = append(failures, fmt.Sprintf("%s:%d: $ %s\n(- shown, + printed)\n%s", tr.file, st.line, st.command, d))
		}
	}
	if err != nil {
		st := tr.steps[min(len(outputs), len(tr.steps)-1)]
		failures = append(failures, fmt.Sprintf("%s:%d: $ %s\n%v", tr.file, st.line, st.command, err))
	}
	return failures
}
