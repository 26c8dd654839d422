package docs

import "strings"

// anything, on a line of its own in an expectation, stands for any number of
// lines, also none.
const anything = "..."

// diff compares what a command should print with what it printed, line by line
// and as eq has it. It returns "" when they agree, else both as one text in
// which "-" marks what is missing and "+" what is too much. Empty lines at the
// end do not count.
func diff(want, got []string, eq func(want, got string) bool) string {
	want, got = trimEnd(want), trimEnd(got)
	d := distances(want, got, eq)
	if d[0][0] == 0 {
		return ""
	}
	var out strings.Builder
	show := func(mark, text string) { out.WriteString(mark + text + "\n") }
	for i, j := 0, 0; i < len(want) || j < len(got); {
		switch {
		case i < len(want) && want[i] == anything && d[i][j] == d[i+1][j]:
			show("  ", want[i])
			i++
		case i < len(want) && j < len(got) && want[i] == anything:
			j++
		case i < len(want) && j < len(got) && d[i][j] == d[i+1][j+1] && eq(want[i], got[j]):
			show("  ", got[j])
			i, j = i+1, j+1
		case i < len(want) && d[i][j] == d[i+1][j]+1:
			show("- ", want[i])
			i++
		default:
			show("+ ", got[j])
			j++
		}
	}
	return out.String()
}

// distances returns, for each i and j, how many lines have to be removed or
// added to make want[i:] of got[j:].
func distances(want, got []string, eq func(want, got string) bool) [][]int {
	d := make([][]int, len(want)+1)
	for i := len(want); i >= 0; i-- {
		d[i] = make([]int, len(got)+1)
		for j := len(got); j >= 0; j-- {
			d[i][j] = distance(d, i, j, want, got, eq)
		}
	}
	return d
}

func distance(d [][]int, i, j int, want, got []string, eq func(want, got string) bool) int {
	moreWant, moreGot := i < len(want), j < len(got)
	switch {
	case !moreWant:
		return len(got) - j
	case want[i] == anything && !moreGot:
		return d[i+1][j]
	case want[i] == anything:
		return min(d[i+1][j], d[i][j+1])
	case !moreGot:
		return d[i+1][j] + 1
	case eq(want[i], got[j]):
		return d[i+1][j+1]
	}
	return 1 + min(d[i+1][j], d[i][j+1])
}

func trimEnd(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
