package sweep

import (
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"qme/internal/shellline"
)

var (
	// evaluators are commands whose arguments a shell reads once more: this one, or that of another machine.
	evaluators = []string{"eval", "trap", "read", "unset", "ssh", "su", "watch", "parallel"}
	// before are commands that run what their arguments say, without reading it.
	before = []string{"command", "builtin", "exec"}
	// launchers are programs that run a command which comes after their own options.
	launchers = []string{"env", "nice", "nohup", "timeout", "srun", "sudo", "time", "stdbuf", "setsid", "ionice", "taskset", "chrt"}
)

// readAgain returns the words of a command that a shell reads once more.
func readAgain(words []*syntax.Word) (again []*syntax.Word) {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.Lit()
	}
	first := 0
	for first < len(texts) && slices.Contains(before, texts[first]) {
		first++
	}
	for i, text := range texts {
		name := filepath.Base(text)
		switch rest := words[i+1:]; {
		case i == first && slices.Contains(evaluators, name):
			again = append(again, rest...)
		case i == first && slices.Contains([]string{"printf", "test", "["}, name):
			for at := i + 1; at+1 < len(texts); at++ {
				if texts[at] == "-v" {
					again = append(again, words[at+1])
				}
			}
		case shellline.IsShell(text):
			if at := lineAfter(texts[i+1:]); at >= 0 {
				again = append(again, rest[at])
			}
		}
	}
	return again
}

// lineAfter returns which of the arguments of a shell is the line that it reads, -1 for none.
func lineAfter(args []string) int {
	_, rest, ok := shellline.Command(args)
	if !ok {
		return -1
	}
	return len(args) - len(rest) - 1
}

// lineOf returns which word of a command is the line of a shell: sh -c LINE, also after programs such as env that run it.
func lineOf(words []string) (int, bool) {
	launched := false // an option, or its value, of a launcher may come
	for i, w := range words {
		switch {
		case shellline.IsShell(w):
			at := lineAfter(words[i+1:])
			return i + 1 + at, at >= 0
		case slices.Contains(launchers, filepath.Base(w)):
			launched = true
		case !launched, !isOwn(w) && !strings.HasPrefix(words[i-1], "-"):
			return 0, false
		}
	}
	return 0, false
}

// isOwn reports whether a word is of a launcher and not the command that it runs: an option, a variable, or a number such as 10s.
func isOwn(word string) bool {
	return strings.HasPrefix(word, "-") || strings.Contains(word, "=") || word != "" && strings.Trim(word, digits+".smhd") == ""
}
