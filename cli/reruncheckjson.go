package cli

import (
	"path/filepath"
	"strings"

	"qme/provenance/aside"
	"qme/provenance/compare"
	"qme/record"
	"qme/tasks"
)

// A checkJSON is the outcome of a check in JSON.
type checkJSON struct {
	Task       record.ID         `json:"task"`
	Of         int               `json:"of"` // the number of the run that was checked
	RunID      record.RunID      `json:"run_id"`
	ReturnCode *int              `json:"returncode"`
	Check      *record.Check     `json:"check"`
	Output     []differenceJSON  `json:"output"`
	Notes      []string          `json:"notes"`
	Files      []fileCheckJSON   `json:"files"`
	Changed    []tasks.Since     `json:"changed"`
	Open       []string          `json:"not_isolated"`
	Left       map[string]string `json:"not_set_aside"`
	Stuck      []keptJSON        `json:"not_put_back"`
	Kept       []keptJSON        `json:"kept"`
}

type differenceJSON struct {
	Stream string    `json:"stream,omitempty"`
	Ref    placeJSON `json:"ref"`
	Now    placeJSON `json:"now"`
}

type placeJSON struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

type fileCheckJSON struct {
	tasks.FileCheck
	Differences []differenceJSON `json:"differences,omitempty"`
}

type keptJSON struct {
	Path string `json:"path"`
	At   string `json:"at"`
}

func differenceOf(stream string, d compare.Difference) differenceJSON {
	place := func(p compare.Place) placeJSON {
		return placeJSON{p.Line, p.Column, p.Offset, strings.ToValidUTF8(p.Text, "\uFFFD")}
	}
	return differenceJSON{Stream: stream, Ref: place(d.Ref), Now: place(d.Now)}
}

func checkJSONOf(c *tasks.Checked) checkJSON {
	d := c.Record.Data
	out := checkJSON{
		Task: c.Record.UID, Of: c.Ref.Number, RunID: d.RunID, ReturnCode: d.ReturnCode, Check: d.Check,
		Output: []differenceJSON{}, Notes: []string{}, Files: []fileCheckJSON{}, Changed: append([]tasks.Since{}, c.Changed...), Left: map[string]string{},
		Open: append([]string{}, c.NotIsolated...), Stuck: []keptJSON{}, Kept: []keptJSON{},
	}
	if c.Output != nil {
		out.Notes = append(out.Notes, c.Output.Notes...)
		for _, one := range c.Output.Differences {
			out.Output = append(out.Output, differenceOf(one.Stream, one.Difference))
		}
		for _, f := range c.Files.Files {
			one := fileCheckJSON{FileCheck: f}
			for _, d := range f.Differences {
				one.Differences = append(one.Differences, differenceOf("", d))
			}
			out.Files = append(out.Files, one)
		}
	}
	for path, why := range c.Left {
		out.Left[strings.ToValidUTF8(path, "\uFFFD")] = why.Error()
	}
	for _, k := range c.Aside.Stuck {
		out.Stuck = append(out.Stuck, keptOf(k))
	}
	for _, k := range c.Aside.New {
		if k.Changed {
			out.Kept = append(out.Kept, keptOf(k))
		}
	}
	return out
}

func keptOf(k aside.Kept) keptJSON {
	return keptJSON{strings.ToValidUTF8(k.Path, "\uFFFD"), strings.ToValidUTF8(filepath.Clean(k.At), "\uFFFD")}
}
