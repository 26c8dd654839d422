package slurm

import (
	"strconv"
	"strings"
)

// values are what the patterns in the name of an output file stand for (sbatch(1),
// "filename pattern"). An empty one is not known yet.
type values struct {
	job     string // %j, %J: this job's own number, also of an element of an array
	master  string // %A: the number of the whole array
	element string // %a
	name    string // %x
	user    string // %u
	node    string // %N: the first node
}

// noElement is what Slurm calls the element of a job that is no array.
const noElement = "4294967294"

// maxWidth is the width that Slurm gives a number at most.
const maxWidth = 10

// expand fills in a pattern; ok is false when it holds something that is not known yet.
// What is no pattern stays as it is.
func expand(pattern string, v values) (path string, ok bool) {
	if strings.Contains(pattern, `\`) {
		return strings.ReplaceAll(pattern, `\`, ""), true
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
		if end == len(pattern) {
			b.WriteString(pattern[i:])
			break
		}
		s, known := v.replace(pattern[end], pattern[i+1:end])
		if !known {
			s = pattern[i : end+1]
		} else if s == "" {
			return "", false
		}
		b.WriteString(s)
		i = end
	}
	return b.String(), true
}

// replace returns what a pattern stands for; known is false when it is none.
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
