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
	c.comparePatches("git.patch", record.PartPatch, a.Git, b.Git)
	c.comparePatches("code.patch", record.PartCodePatch, a.Code, b.Code)
	return nil
}

// comparePatches compares how two working trees of one commit differed from it.
func (c *Comparison) comparePatches(name string, part record.PartName, a, b *record.Git) {
	if a == nil || b == nil || a.Commit != b.Commit {
		return // the trees differ by their commits
	}
	switch x, y := patchText(&c.A.Record.Data, part, a), patchText(&c.B.Record.Data, part, b); {
	case x != y:
		c.Fields = append(c.Fields, FieldChange{name, x, y})
	case x == NotRecorded && part == record.PartPatch:
		c.Notes = append(c.Notes, "How the working tree differed from its commit was recorded of neither run, and not compared.")
	case x == NotRecorded:
		c.Notes = append(c.Notes, "How the working tree of the script differed from its commit was recorded of neither run, and not compared.")
	}
}

// patchText describes how a working tree differed from its commit; empty: not at all.
func patchText(d *record.Data, part record.PartName, git *record.Git) string {
	text := partText(d, part)
	if text == "" && (git.Dirty == nil || *git.Dirty) {
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
