package cli

import (
	"bufio"
	"fmt"
	"strings"

	"qme/internal/safe"
	"qme/provenance/patch"
	"qme/tasks"
)

// mostDiffFiles is how many files of code a comparison names for people.
const mostDiffFiles = 20

// writeCode prints the commits between two runs, and the files of their code that differ.
func writeCode(w *bufio.Writer, p palette, c tasks.CodeChange) {
	if c.Why != "" {
		fmt.Fprintf(w, "%s: the commits between are not known: %s\n", c.Name, safe.Line(c.Why))
	}
	if c.Commits != nil {
		writeCommits(w, p.green, "+", c.Commits.Added, c.Commits.MoreAdded)
		writeCommits(w, p.red, "-", c.Commits.Removed, c.Commits.MoreRemoved)
	}
	if len(c.Files) == 0 {
		return
	}
	files := c.Files[:min(len(c.Files), mostDiffFiles)]
	text := safe.Line(strings.Join(files, ", "))
	if more := len(c.Files) - len(files); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	if !c.Exact {
		text += " (as far as that is known)"
	}
	fmt.Fprintf(w, "%s.files: %s\n", c.Name, text)
}

// writeCodeDiff prints the difference of the code, or why it is not there.
func writeCodeDiff(w *bufio.Writer, p palette, c tasks.CodeChange) error {
	switch {
	case len(c.Files) == 0:
		return nil
	case !c.Exact:
		fmt.Fprintf(w, "%s: the difference of the code is not known here\n", c.Name)
	case c.Diff == nil:
		fmt.Fprintf(w, "%s: the difference of the code is not shown: it is too long, or its repository is not here\n", c.Name)
	}
	return writeUnified(w, p, string(c.Diff))
}

func writeCommits(w *bufio.Writer, paint func(string) string, sign string, list []patch.Commit, more int) {
	for _, one := range list {
		fmt.Fprintf(w, "  %s\n", paint(fmt.Sprintf("%s %.12s %s", sign, one.Name, safe.Bounded(one.Subject))))
	}
	if more > 0 {
		fmt.Fprintf(w, "  %s and %d more\n", sign, more)
	}
}

// A codeChangeJSON is the code of a repository in the output of diff --json.
type codeChangeJSON struct {
	Name        string         `json:"name"`
	From        string         `json:"from"`
	To          string         `json:"to"`
	Added       []patch.Commit `json:"added"`
	MoreAdded   int            `json:"more_added,omitempty"`
	Removed     []patch.Commit `json:"removed"`
	MoreRemoved int            `json:"more_removed,omitempty"`
	Files       []string       `json:"files"`
	Exact       bool           `json:"exact"`
	Diff        *string        `json:"diff,omitempty"`
	Why         string         `json:"why,omitempty"`
}

func codeJSON(changes []tasks.CodeChange) []codeChangeJSON {
	list := []codeChangeJSON{}
	for _, c := range changes {
		j := codeChangeJSON{Name: c.Name, From: c.From, To: c.To, Added: []patch.Commit{}, Removed: []patch.Commit{}, Files: append([]string{}, c.Files...), Exact: c.Exact, Why: c.Why}
		if c.Diff != nil {
			diff := strings.ToValidUTF8(string(c.Diff), "\uFFFD")
			j.Diff = &diff
		}
		if c.Commits != nil {
			j.Added, j.MoreAdded = append(j.Added, c.Commits.Added...), c.Commits.MoreAdded
			j.Removed, j.MoreRemoved = append(j.Removed, c.Commits.Removed...), c.Commits.MoreRemoved
		}
		list = append(list, j)
	}
	return list
}
