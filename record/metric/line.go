package metric

import (
	"slices"
	"strings"

	"qme/record"
)

// A pair is a name with a number.
type pair struct{ name, number string }

// stepWords are the names of what is no metric but says where in the run others were.
var stepWords = []string{"step", "epoch", "iteration", "iter", "global_step"}

func isStep(name string) bool {
	if name == "" || strings.IndexByte("seigSEIG", name[0]) < 0 { // which nearly all others are told by
		return false
	}
	return slices.ContainsFunc(stepWords, func(w string) bool { return strings.EqualFold(w, name) })
}

// readPairs adds the pairs of a line to list, and returns them with the step beside them. The whole line has to consist of pairs, of
// steps and of what separates them: with anything else it is prose, and there are no pairs.
func readPairs(list []pair, line string) (pairs []pair, step string) {
	if strings.IndexByte(line, '=') < 0 && strings.IndexByte(line, ':') < 0 {
		return list, ""
	}
	if line = strings.TrimRight(skipBlanks(line), " \t"); line == "" {
		return list, ""
	}
	r := pairReader{rest: line}
	if line[0] == '{' { // as Python and JSON write an object
		if line[len(line)-1] != '}' {
			return list, ""
		}
		r.rest = line[1 : len(line)-1]
		r.quoted = true
	} else if line[0] == '[' && !r.number() { // as XGBoost begins a line
		return list, ""
	}
	begin := len(list)
	for r.separators(); r.rest != ""; {
		p, isStep, ok := r.item()
		if !ok || !isStep && len(list)-begin == record.MostMetrics {
			return list[:begin], ""
		}
		if !isStep {
			list = append(list, p)
		}
		before := len(r.rest)
		if r.separators(); r.rest != "" && len(r.rest) == before {
			return list[:begin], "" // a unit, a percent sign, or the rest of a word
		}
	}
	return list, r.step
}

// A pairReader reads a line from its beginning.
type pairReader struct {
	rest   string
	step   string // the first one
	quoted bool   // names have quotes
}

// These are the kinds of characters that names and numbers have. Tables of lines are read character by character, of thousands of runs.
const (
	ofNames = 1 << iota
	ofNumbers
)

var kinds = func() (k [256]byte) {
	for c := range 256 {
		if b := byte(c); isLetter(b) || isDigit(b) || b == '-' || b == '.' {
			k[c] = ofNames | ofNumbers
		}
	}
	k['/'], k['+'] = ofNames, ofNumbers
	return k
}()

// spanOf returns how many characters of a kind a text begins with.
func spanOf(kind byte, text string) int {
	for n := range len(text) {
		if kinds[text[n]]&kind == 0 {
			return n
		}
	}
	return len(text)
}

// skipBlanks returns a text without the blanks at its beginning.
func skipBlanks(text string) string {
	for text != "" && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	return text
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads "[12]" as the step.
func (r *pairReader) number() bool {
	end := strings.IndexByte(r.rest, ']')
	if end < 2 || end > 20 || strings.Trim(r.rest[1:end], "0123456789") != "" {
		return false
	}
	r.step, r.rest = r.rest[1:end], r.rest[end+1:]
	return true
}

// separators skips blanks, commas, bars, semicolons, and dashes that stand alone.
func (r *pairReader) separators() {
	for r.rest != "" {
		switch r.rest[0] {
		case ' ', '\t', ',', '|', ';':
		case '-':
			if len(r.rest) > 1 && r.rest[1] != ' ' && r.rest[1] != '\t' {
				return
			}
		default:
			return
		}
		r.rest = r.rest[1:]
	}
}

func (r *pairReader) blanks() { r.rest = skipBlanks(r.rest) }

// item reads a pair or a step.
func (r *pairReader) item() (p pair, step, ok bool) {
	if p.name, ok = r.name(); !ok {
		return p, false, false
	}
	step = isStep(p.name)
	r.blanks()
	colon := strings.HasPrefix(r.rest, ":")
	if colon || strings.HasPrefix(r.rest, "=") {
		r.rest = r.rest[1:]
	} else if !step || r.quoted {
		return p, false, false
	}
	before := len(r.rest)
	r.blanks()
	apart := len(r.rest) < before
	if step {
		return p, true, r.stepNumber()
	}
	if p.number, ok = r.value(); !ok {
		return p, false, false
	}
	// "localhost:8080" and "main.go:12" are no metrics; "rmse:0.48" is one.
	if colon && !apart && strings.Trim(p.number, "0123456789") == "" {
		return p, false, false
	}
	return p, false, true
}

func (r *pairReader) name() (name string, ok bool) {
	quote := byte(0)
	if r.quoted {
		if quote = r.rest[0]; quote != '"' && quote != '\'' {
			return "", false
		}
		r.rest = r.rest[1:]
	}
	n := spanOf(ofNames, r.rest)
	name = r.rest[:n]
	if n == 0 || n > record.LongestMetric || !isLetter(name[0]) {
		return "", false
	}
	if r.rest = r.rest[n:]; quote != 0 {
		if r.rest == "" || r.rest[0] != quote {
			return "", false
		}
		r.rest = r.rest[1:]
	}
	return name, true
}

// stepNumber reads "3", "3/10" or "[3/10]".
func (r *pairReader) stepNumber() bool {
	open := strings.HasPrefix(r.rest, "[")
	if open {
		r.rest = r.rest[1:]
	}
	number, ok := r.value()
	if !ok {
		return false
	}
	if strings.HasPrefix(r.rest, "/") {
		r.rest = r.rest[1:]
		if _, ok := r.value(); !ok {
			return false
		}
	}
	if open {
		if !strings.HasPrefix(r.rest, "]") {
			return false
		}
		r.rest = r.rest[1:]
	}
	if r.step == "" {
		r.step = number
	}
	return true
}

// value reads a number.
func (r *pairReader) value() (number string, ok bool) {
	n := spanOf(ofNumbers, r.rest)
	if n == 0 || n > record.LongestMetric {
		return "", false
	}
	number = r.rest[:n]
	if !isDecimal(number) {
		if _, ok := record.MetricValue(number).Number(); !ok {
			return "", false
		}
	}
	r.rest = r.rest[n:]
	return number, true
}

// isDecimal reports whether a number is one such as -12.5, as nearly all are, which takes less time than to compute it.
func isDecimal(number string) bool {
	number = strings.TrimPrefix(number, "-")
	whole, rest, point := strings.Cut(number, ".")
	return whole != "" && (!point || rest != "") && onlyDigits(whole) && onlyDigits(rest)
}

func onlyDigits(text string) bool {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return true
}
