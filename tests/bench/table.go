package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A row is one line of the table.
type row struct {
	what, goal, figure, ratio, verdict string
}

// The verdicts of a row.
const (
	isMet   = "met"
	notMet  = "NOT MET"
	noGoal  = "-"
	skipped = "not measured"
)

// judge returns the verdict on a figure that should be at most, or for atLeast
// at least, its goal.
func judge(ok bool) string {
	if ok {
		return isMet
	}
	return notMet
}

// printTable writes the rows, and how many goals were met.
func printTable(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	count := map[string]int{}
	for _, r := range append([]row{{"WHAT", "GOAL", "FIGURE", "RATIO", "VERDICT"}}, rows...) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.what, orDash(r.goal), orDash(r.figure), orDash(r.ratio), r.verdict)
		count[r.verdict]++
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d goals met, %d not met, %d not measured\n", count[isMet], count[notMet], count[skipped])
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
