package history

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

var (
	words = strings.Fields(`baseline cortex motion signal aligned merge index batch kernel noise cohort sample layer encoder decoder
		mask atlas volume surface vertex reads contig variant allele gene plasma liver tumour control placebo visit session scanner
		bold anatomy diffusion tract parcel region network graph cluster matrix vector tensor gradient loss model fold split train
		valid test report figure table draft summary config parser lexer buffer socket cache queue store record export import`)
	dirs   = strings.Fields("data data/raw results results/2024 figures derivatives/fmriprep logs models/final scratch notebooks src")
	rates  = strings.Fields("1e-2 3e-3 1e-3 3e-4 1e-4 3e-5 1e-5")
	powers = strings.Fields("16 32 64 128 256")
)

// A filler fills in templates. What belongs to a task, such as its user, is the
// same in all of them; the rest is drawn anew for each placeholder.
type filler struct {
	r                  *rand.Rand
	user, host, script string
}

// expand replaces the placeholders of a template; i is the number of the line.
// Braces that are no placeholder stay as they are.
func (f *filler) expand(template string, i int) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(template, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, ok := strings.Cut(rest, "}")
		text, known := "", false
		if ok {
			text, known = f.value(name, i)
		}
		if !known {
			b.WriteByte('{')
			template = rest
			continue
		}
		b.WriteString(text)
		template = after
	}
}

func (f *filler) value(name string, i int) (string, bool) {
	if name != "" && strings.Trim(name, "n") == "" {
		return f.digits(len(name)), true
	}
	switch name {
	case "i":
		return strconv.Itoa(i + 1), true
	case "f":
		return "0." + f.digits(4), true
	case "lr":
		return pick(f.r, rates), true
	case "pow":
		return pick(f.r, powers), true
	case "word":
		return pick(f.r, words), true
	case "dir":
		return pick(f.r, dirs), true
	case "sub":
		return "0" + f.digits(3), true
	case "hex":
		return strconv.FormatUint(1<<27|f.r.Uint64N(1<<27), 16), true
	case "letter":
		return string(rune('a' + f.r.IntN(8))), true
	case "dots":
		return strings.Repeat(".", 1+f.r.IntN(40)), true
	case "user":
		return f.user, true
	case "host":
		return f.host, true
	case "script":
		return f.script, true
	}
	return "", false
}

// digits returns a number of n digits that does not begin with 0.
func (f *filler) digits(n int) string {
	low := 1
	for range n - 1 {
		low *= 10
	}
	return strconv.Itoa(low + f.r.IntN(9*low))
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
