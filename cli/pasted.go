package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"

	"qme/executor"
	"qme/internal/account"
)

// line returns a command line of qme to be pasted from a message. It selects the home of
// this invocation, even if that was given by an option.
func (t *terminal) line(words ...string) string {
	return executor.Quote(append(t.program(), words...))
}

// program returns the first words of a command line of qme.
func (t *terminal) program() []string {
	if t.homeFlag == "" || t.homeFlag == os.Getenv(homeVariable) {
		return []string{"qme"}
	}
	given, err := filepath.Abs(t.homeFlag)
	usual, uerr := filepath.Abs(cmp.Or(os.Getenv(homeVariable), filepath.Join(account.Home(), ".qme")))
	if err == nil && uerr == nil && given == usual {
		return []string{"qme"}
	}
	return []string{"qme", "--home", t.homeFlag}
}

// here makes the command lines in a message of qme, such as "qme remote URL", select the
// home of this invocation.
func (t *terminal) here(msg string) string {
	words := t.program()
	if len(words) == 1 {
		return msg
	}
	advice := regexp.MustCompile(`((?:^|[ (])"|: )qme ([a-z][a-z-]* |[a-z][a-z-]*")`)
	with := executor.Quote(words)
	return advice.ReplaceAllStringFunc(msg, func(found string) string {
		m := advice.FindStringSubmatch(found)
		return m[1] + with + " " + m[2]
	})
}
