package tasks

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"qme/record"
)

// compareCode compares what was not committed, and the scripts of batch jobs.
func (c *Comparison) compareCode() error {
	a, b := &c.A.Record.Data, &c.B.Record.Data
	if x, y := partText(a, record.PartScript), partText(b, record.PartScript); x != y {
		c.Fields = append(c.Fields, FieldChange{"script", x, y})
	}
	if a.Git == nil || b.Git == nil || a.Git.Commit != b.Git.Commit {
		return nil // the trees differ by their commits
	}
	switch x, y := patchText(a), patchText(b); {
	case x != y:
		c.Fields = append(c.Fields, FieldChange{"git.patch", x, y})
	case x == NotRecorded:
		c.Notes = append(c.Notes, "How the working tree differed from its commit was recorded of neither run, and not compared.")
	}
	return nil
}

// patchText describes how a working tree differed from its commit; empty: not at all.
func patchText(d *record.Data) string {
	text := partText(d, record.PartPatch)
	if text == "" && (d.Git.Dirty == nil || *d.Git.Dirty) {
		return NotRecorded
	}
	return text
}

// partText describes a part, empty if there is none.
func partText(d *record.Data, name record.PartName) string {
	part, ok := d.Parts[name]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s, sha256 %.12s", humanize.IBytes(uint64(part.Size)), part.SHA256)
}
