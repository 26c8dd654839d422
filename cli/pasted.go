package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"

	"qme/executor"
	"qme/internal/account"
)

// line returns a command line of qme for a message, for people to paste: it is for the home
// of this invocation, also where an option has named that.
func (t *terminal) line(words ...string) string {
	return executor.Quote(append(t.program(), words...))
}

// program returns the words with which a command line of qme begins.
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

// here makes the command lines that a message of qme's own gives, as in "qme remote URL",
// those for the home of this invocation.
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
