package tasks

import (
	"fmt"
	"maps"
	"slices"

	"qme/record"
)

// The names of the two lists of files.
const listIn, listOut = "in", "out"

// compareFiles compares the files that both runs list.
func (c *Comparison) compareFiles() error {
	a, err := c.A.Files()
	if err != nil {
		return err
	}
	b, err := c.B.Files()
	if err != nil {
		return err
	}
	changes, notes := fileChanges(a, b)
	c.Fields, c.Notes = append(c.Fields, changes...), append(c.Notes, notes...)
	c.Fields = append(c.Fields, treeChanges(a, b)...)
	for _, run := range []struct {
		v Version
		f *record.Files
	}{{c.A, a}, {c.B, b}} {
		if run.f != nil && run.f.Incomplete {
			c.Notes = append(c.Notes, "Which files "+run.v.Name()+" has made or changed was not recorded.")
		}
		c.Notes = append(c.Notes, sharedNotes(run.v, run.f)...)
	}
	return nil
}

// treeChanges returns the folders of software of which two traced runs have read other files.
func treeChanges(a, b *record.Files) []FieldChange {
	if a == nil || b == nil || a.Trace == nil || b.Trace == nil || a.Trace.Error+b.Trace.Error != "" {
		return nil
	}
	of := func(t *record.Trace) map[string]string {
		texts := map[string]string{}
		for _, tree := range t.Software {
			text := fmt.Sprintf("%d files, ", tree.Files)
			if tree.Files == 1 {
				text = "1 file, "
			}
			if tree.Commit != "" {
				text += fmt.Sprintf("commit %.12s, ", tree.Commit)
			}
			if texts[tree.Path] = text + "hash " + NotRecorded; tree.SHA256 != "" {
				texts[tree.Path] = text + fmt.Sprintf("sha256 %.12s", tree.SHA256)
			}
		}
		return texts
	}
	return changedIn("files below ", of(a.Trace), of(b.Trace))
}

// hasCommit reports whether files are left out of the lists because they are as in a commit.
func hasCommit(t *record.Trace) bool {
	return slices.ContainsFunc(t.Software, func(tree record.Tree) bool { return tree.Commit != "" })
}

// sharedNotes returns a note for each file that another run wrote at the same time.
func sharedNotes(v Version, f *record.Files) (notes []string) {
	all, out := filesByPath(f)
	maps.Copy(all, out)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if all[path].Shared {
			notes = append(notes, fmt.Sprintf("Another run wrote %s at the same time as %s.", path, v.Name()))
		}
	}
	return notes
}

// fileChanges returns the files that two runs list and that differ, and notes on those whose content
// was not compared, or not all of it. A file that a run has changed counts only as its output.
func fileChanges(a, b *record.Files) (changes []FieldChange, notes []string) {
	inA, outA := filesByPath(a)
	inB, outB := filesByPath(b)
	for _, list := range []struct {
		name string
		a, b map[string]record.File
	}{{listIn, inA, inB}, {listOut, outA, outB}} {
		for _, path := range namesIn(list.a, list.b) {
			from, isA := list.a[path]
			to, isB := list.b[path]
			switch same := isA && isB && from.Size == to.Size && from.SHA256 == to.SHA256 && from.Partial == to.Partial; {
			case !same:
				changes = append(changes, FieldChange{list.name + " " + path, fileText(from, isA, mayHave(a, list.name, to)), fileText(to, isB, mayHave(b, list.name, from))})
			case from.SHA256 == "":
				notes = append(notes, fmt.Sprintf("The content of %s was not compared: its hash was not recorded.", path))
			case from.Partial:
				notes = append(notes, fmt.Sprintf("Of %s only the first and the last MiB were compared.", path))
			}
		}
	}
	return changes, notes
}

// filesByPath returns the files that a run has left as they were, and those that it has changed. Of
// these, what it has printed is left out: it is compared as output.
func filesByPath(f *record.Files) (in, out map[string]record.File) {
	in, out = map[string]record.File{}, map[string]record.File{}
	if f == nil {
		return in, out
	}
	for _, one := range f.In {
		in[one.Path] = one
	}
	for _, one := range f.Out {
		if delete(in, one.Path); one.By != record.ByStdio {
			out[one.Path] = one
		}
	}
	return in, out
}

// mayHave reports whether a run may have used a file that it does not list, but another run does: what
// the other's trace has seen, only a complete trace would have seen here.
func mayHave(all *record.Files, list string, other record.File) bool {
	return all == nil || all.LeftOut > 0 || all.Trace != nil && hasCommit(all.Trace) ||
		all.Incomplete && list == listOut || other.By == record.ByTrace && !all.Complete
}

// fileText describes a file that a run lists, or one that it does not list but may have used.
func fileText(f record.File, listed, mayHave bool) string {
	switch {
	case !listed && mayHave:
		return NotRecorded
	case !listed:
		return ""
	}
	return recordedText(f.Size, f.SHA256)
}
