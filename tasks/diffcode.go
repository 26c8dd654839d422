package tasks

import (
	"errors"
	"fmt"

	"qme/provenance/patch"
	"qme/record"
)

// compareCode compares what was not committed, and the scripts of batch jobs.
func (c *Comparison) compareCode() error {
	a, b := &c.A.Record.Data, &c.B.Record.Data
	if x, y := partText(a, record.PartScript), partText(b, record.PartScript); x != y {
		c.Fields = append(c.Fields, FieldChange{"script", x, y})
	}
	return errors.Join(c.comparePatches("git.patch", record.PartPatch, a.Git, b.Git), c.comparePatches("code.patch", record.PartCodePatch, a.Code, b.Code))
}

// comparePatches compares how two working trees of one commit differed from it.
func (c *Comparison) comparePatches(name string, part record.PartName, a, b *record.Git) error {
	if a == nil || b == nil || a.Commit != b.Commit {
		return nil // the trees differ by their commits
	}
	same, known, err := c.sameTree(part)
	if err != nil {
		return err
	}
	switch x, y := patchText(&c.A.Record.Data, part, a), patchText(&c.B.Record.Data, part, b); {
	case same && !known:
		c.Notes = append(c.Notes, "The untracked files and submodules were not compared completely: not all of their content was recorded.")
	case same:
	case x != y:
		c.Fields = append(c.Fields, FieldChange{name, x, y})
	case x == NotRecorded && part == record.PartPatch:
		c.Notes = append(c.Notes, "How the working tree differed from its commit was recorded of neither run, and not compared.")
	case x == NotRecorded:
		c.Notes = append(c.Notes, "How the working tree of the script differed from its commit was recorded of neither run, and not compared.")
	}
	return nil
}

// sameTree reports whether the differences of both working trees are here and are the same, and
// whether all of that is known.
func (c *Comparison) sameTree(part record.PartName) (same, known bool, err error) {
	var trees [2]*patch.Patch
	for i, v := range []Version{c.A, c.B} {
		content, err := v.Part(part)
		if err == nil {
			trees[i], err = patch.Decode(content)
		}
		if errors.Is(err, record.ErrNoPart) || errors.Is(err, record.ErrPartElsewhere) || errors.Is(err, record.ErrInvalid) {
			return false, false, nil // their hashes are compared
		}
		if err != nil {
			return false, false, fmt.Errorf("task %s: %w", v.Record.UID, err)
		}
	}
	same, known = trees[0].Same(trees[1])
	return same, known, nil
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
	return contentText(part.Size, part.SHA256)
}
