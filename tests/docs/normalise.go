package docs

import "regexp"

// How the documentation calls the reader's home and machine.
const (
	exampleHome = "/home/user"
	exampleHost = "host"
)

// A rule replaces what differs from run to run.
type rule struct {
	pattern *regexp.Regexp
	with    string
}

// The order matters: what is long and certain goes first, so that no later rule
// takes a part of it.
var rules = []rule{
	// Values that a name announces, in JSON and in text.
	{regexp.MustCompile(`(?i)("(?:host|user|pid|duration|system|max_rss)":\s*)("[^"]*"|[^\s,}\]]+)`), "${1}VALUE"},
	{regexp.MustCompile(`(?i)^(\s*(?:host|user|pid|duration)(?::\s*|\s{2,}))\S.*$`), "${1}VALUE"},
	{regexp.MustCompile(`(?i)\b(pid)[\s=]+\d+`), "${1} VALUE"},
	{regexp.MustCompile(`^((?:Author|Committer):\s+).*`), "${1}USER"},
	{regexp.MustCompile(`(\buser\.name=).*?( -c )`), "${1}USER$2"},
	{regexp.MustCompile(`[\w.+-]+@[\w.-]*\w`), "USER@HOST"},

	{regexp.MustCompile(`\b(?:[a-z][a-z0-9_-]*-)?[0-9a-f]{8}(?:-[0-9a-f]{1,4}){1,3}(?:-[0-9a-f]{1,12})?\b`), "ID"},
	{regexp.MustCompile(`\b[a-z][a-z0-9_-]*-[0-9a-f]{8,13}\b`), "ID"},
	// A commit, or a shortened id without its executor: nothing tells them
	// apart.
	{regexp.MustCompile(`\b[0-9a-f]{7,40}\b`), "HEX"},

	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\s?[+-]\d\d:?\d\d)?)?`), "TIME"},
	{regexp.MustCompile(`\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:` + months + ` +\d{1,2}|\d{1,2} ` + months + `)\b(?:,? \d{4})?(?: \d\d:\d\d(?::\d\d)?)?(?: \d{4})?(?: [+-]\d{4})?`), "TIME"},
	{regexp.MustCompile(`\b\d{4}/\d\d/\d\d/\d\d/\d\d\b`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?\b`), "TIME"},

	{regexp.MustCompile(`\b\d+(?:\.\d+)?(?:` + shortUnit + `| ` + longUnit + `)(?: ?\d+(?:\.\d+)?(?:` + shortUnit + `| ` + longUnit + `))*(?: ago)?\b`), "DURATION"},
	{regexp.MustCompile(`\bjust now\b`), "DURATION"},
	{regexp.MustCompile(`\b\d+\.\d+(?:[eE][+-]?\d+)?`), "DECIMAL"},

	// The columns of a table follow from the widths of all of the above.
	{regexp.MustCompile(`(\S)[ \t]+`), "${1} "},
	{regexp.MustCompile(`-{4,}`), "----"},
	{regexp.MustCompile(`─{4,}`), "────"},
	{regexp.MustCompile(`\s+$`), ""},
}

const (
	months    = `(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`
	shortUnit = `(?:ns|µs|us|ms|s|m|h|d|w|mo|y)`
	longUnit  = `(?:ns|µs|us|ms|s|min|h|d|secs?|seconds?|mins|minutes?|hours?|days?|weeks?|months?|years?)`
)

// normalise replaces what differs from run to run and from machine to machine,
// so that equal results are equal lines.
func normalise(text string) string {
	for _, r := range rules {
		text = r.pattern.ReplaceAllString(text, r.with)
	}
	return text
}

// rename replaces the machine's name by the one of the examples.
func rename(text, host string) string {
	if host == "" {
		return text
	}
	return regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).ReplaceAllString(text, exampleHost)
}
