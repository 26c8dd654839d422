package docs

import (
	"regexp"
	"strings"
)

var (
	// What stands behind qme where a command line begins: in a code span, or
	// in a block behind the prompt that it may have.
	spanCommand  = regexp.MustCompile("`qme ([a-z][a-z0-9_-]*)")
	blockCommand = regexp.MustCompile(`^\s*(?:\$ )?qme ([a-z][a-z0-9_-]*)`)
	// A line of the help that lists a command: its name and, with commas, its
	// other names, set in from the margin.
	helpCommand = regexp.MustCompile(`^\s+([a-z][a-z0-9_-]*(?:, *[a-z][a-z0-9_-]*)*)(?:\s{2,}|$)`)
)

// A mention is a subcommand in the documentation.
type mention struct {
	line int
	name string
}

// mentions returns every use of qme SUBCOMMAND in code.
func mentions(lines []line) []mention {
	var found []mention
	for _, l := range lines {
		pattern := spanCommand
		if l.fence != nil {
			pattern = blockCommand
		}
		for _, m := range pattern.FindAllStringSubmatch(l.text, -1) {
			found = append(found, mention{l.number, m[1]})
		}
	}
	return found
}

// helpCommands returns the names that a help text lists.
func helpCommands(help string) map[string]bool {
	names := map[string]bool{}
	for text := range strings.SplitSeq(help, "\n") {
		if m := helpCommand.FindStringSubmatch(text); m != nil {
			for name := range strings.SplitSeq(m[1], ",") {
				names[strings.TrimSpace(name)] = true
			}
		}
	}
	return names
}
