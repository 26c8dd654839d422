package slurm

import (
	"strconv"
	"strings"
)

// values are the values of the patterns in the name of an output file (sbatch(1), "filename
// pattern"). An empty one is not known yet.
type values struct {
	job     string // %j, %J: this job's own number, also of an element of an array
	master  string // %A: the number of the whole array
	element string // %a
	name    string // %x
	user    string // %u
	node    string // %N: the first node
}

// noElement is Slurm's index of the element of a job that is no array.
const noElement = "4294967294"

// maxWidth is the width that Slurm gives a number at most.
const maxWidth = 10

// expand fills in a pattern, as slurmd does; ok is false when it holds something that is not
// known yet. Text that is no pattern stays as it is, and loses its "%" where a width follows.
func expand(pattern string, v values) (path string, ok bool) {
	if strings.Contains(pattern, `\`) {
		return plain(pattern), true
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			b.WriteByte(pattern[i])
			continue
		}
		end := i + 1
		for end < len(pattern) && pattern[end] >= '0' && pattern[end] <= '9' {
			end++
		}
		width := pattern[i+1 : end]
		s, known := "", false
		if end < len(pattern) && (pattern[end] != '%' || width == "") {
			s, known = v.replace(pattern[end], width)
		}
		switch {
		case known && s == "":
			return "", false
		case known:
			b.WriteString(s)
			i = end
		case width != "":
			b.WriteString(width)
			i = end - 1
		default:
			b.WriteByte('%')
		}
	}
	return b.String(), true
}

// plain removes the backslashes from a pattern, which turn off all else in it.
func plain(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' {
			if i++; i == len(pattern) {
				break
			}
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// shown returns how scontrol (22.05) shows a pattern: it knows five letters, and neither
// "%%" nor widths nor backslashes. A pattern that it shows so is worth more than its text.
func shown(pattern string, v values) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '%' && i+1 < len(pattern) && strings.IndexByte("jAaux", pattern[i+1]) >= 0 {
			s, _ := v.replace(pattern[i+1], "")
			b.WriteString(s)
			i++
			continue
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// patternOf returns the pattern of a path that scontrol shows: the number of the job right after
// a "%" was "%%j".
func patternOf(text string, v values) string {
	if v.job == "" || strings.Contains(text, `\`) {
		return text
	}
	return strings.ReplaceAll(text, "%"+v.job, "%%j")
}

// replace returns the value of a pattern; known is false when it is none.
func (v values) replace(c byte, width string) (s string, known bool) {
	switch c {
	case '%':
		return "%", true
	case 'j', 'J':
		return pad(v.job, width), true
	case 'A':
		return pad(v.master, width), true
	case 'a':
		return pad(v.element, width), true
	case 'x':
		return v.name, true
	case 'u':
		return v.user, true
	case 'N':
		return v.node, true
	case 'n', 't':
		return pad("0", width), true // of the batch script
	case 's':
		return "batch", true
	}
	return "", false
}

func pad(number, width string) string {
	n, err := strconv.Atoi(width)
	if err != nil || number == "" {
		return number
	}
	return strings.Repeat("0", max(0, min(n, maxWidth)-len(number))) + number
}

// firstNode returns the first of a list of nodes as Slurm prints it: n[001-004,7],m2.
func firstNode(list string) string {
	if i := strings.IndexAny(list, "[,"); i < 0 || list[i] == ',' {
		first, _, _ := strings.Cut(list, ",")
		return first
	}
	prefix, rest, _ := strings.Cut(list, "[")
	inner, suffix, ok := strings.Cut(rest, "]")
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(inner, ",")
	first, _, _ = strings.Cut(first, "-")
	suffix, _, _ = strings.Cut(suffix, ",")
	return prefix + first + suffix
}

// template returns the pattern for the elements of an array, given how the scheduler has
// filled it in for the array as a whole.
func template(filled string) string { return strings.ReplaceAll(filled, noElement, "%a") }
