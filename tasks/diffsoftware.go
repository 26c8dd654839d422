package tasks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"qme/provenance/software"
	"qme/record"
)

// mostPackageChanges is how many packages a comparison lists.
const mostPackageChanges = 20

// compareSoftware adds what differs of the software of two runs. Packages are compared if both have
// their part "env" here.
func (c *Comparison) compareSoftware() error {
	a, b := c.A.Record.Data.Software, c.B.Record.Data.Software
	changes, notes := softwareChanges(a, b)
	c.Fields, c.Notes = append(c.Fields, changes...), append(c.Notes, notes...)
	same := c.A.Record.Data.Parts[record.PartEnv].SHA256 == c.B.Record.Data.Parts[record.PartEnv].SHA256
	if a == nil || b == nil {
		return nil
	}
	if same {
		c.Notes = append(c.Notes, notRead(a, b)...)
		return nil
	}
	parts, there := [2][]byte{}, true
	for i, v := range []Version{c.A, c.B} {
		var err error
		parts[i], err = v.Part(record.PartEnv)
		switch {
		case errors.Is(err, record.ErrPartElsewhere):
			c.Notes, there = append(c.Notes, fmt.Sprintf("The packages of %s were not compared: they are listed in another home.", v.Name())), false
		case err != nil && !errors.Is(err, record.ErrNoPart):
			return err
		}
	}
	if !there {
		return nil
	}
	changes, notes, err := packageChanges(a, b, parts[0], parts[1])
	if errors.Is(err, record.ErrInvalid) { // as one in which more was masked than a name
		c.Notes = append(c.Notes, "The packages were not compared: a list of them cannot be read.")
		return nil
	}
	c.Fields, c.Notes = append(c.Fields, changes...), append(c.Notes, notes...)
	return err
}

// softwareChanges returns what differs of the software of two runs but for packages, and notes on
// what was not compared.
func softwareChanges(a, b *record.Software) (changes []FieldChange, notes []string) {
	if a == nil || b == nil {
		if a == b {
			return nil, nil // of neither it was recorded
		}
		return []FieldChange{{"software", recordedText(a != nil), recordedText(b != nil)}}, nil
	}
	programs, notes := programChanges(a, b)
	changes = append(programs, environmentChanges(a.Environments, b.Environments)...)
	for _, f := range []FieldChange{
		{"modules", strings.Join(a.Modules, " "), strings.Join(b.Modules, " ")},
		{"container", containerText(a.Container), containerText(b.Container)},
		{"images", imagesText(a.Images), imagesText(b.Images)},
	} {
		if f.From != f.To {
			changes = append(changes, f)
		}
	}
	for _, why := range slices.Concat(a.NotRecorded, b.NotRecorded) {
		if note := "Of the software, something was not recorded: " + why + "."; !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return changes, notes
}

func recordedText(is bool) string {
	if is {
		return "recorded"
	}
	return NotRecorded
}

// programChanges compares the programs by their paths.
func programChanges(a, b *record.Software) (changes []FieldChange, notes []string) {
	byPath := func(list []record.Program) map[string]record.Program {
		m := map[string]record.Program{}
		for _, p := range list {
			m[p.Path] = p
		}
		return m
	}
	from, to := byPath(a.Programs), byPath(b.Programs)
	both := maps.Clone(from)
	maps.Copy(both, to)
	for _, path := range slices.Sorted(maps.Keys(both)) {
		p, isA := from[path]
		q, isB := to[path]
		switch {
		case !isA || !isB || p != q:
			changes = append(changes, FieldChange{"program " + path, programText(p, isA, a), programText(q, isB, b)})
		case p.SHA256 == "":
			notes = append(notes, fmt.Sprintf("The content of %s was not compared: its hash was not recorded.", path))
		case p.Partial:
			notes = append(notes, fmt.Sprintf("Of %s only the first and the last MiB were compared.", path))
		}
	}
	return changes, notes
}

// programText describes a program that a run lists, or that it does not list among others.
func programText(p record.Program, listed bool, all *record.Software) string {
	switch {
	case !listed && (len(all.NotRecorded) > 0 || len(all.Programs) == record.MostPrograms):
		return NotRecorded
	case !listed:
		return ""
	}
	text := humanize.IBytes(uint64(p.Size))
	if p.Real != "" {
		text = p.Real + ", " + text
	}
	if p.SHA256 == "" {
		text += ", hash " + NotRecorded
	} else {
		text += fmt.Sprintf(", sha256 %.12s", p.SHA256)
	}
	if p.Interpreter != "" {
		text += ", by " + p.Interpreter
	}
	return text
}

// environmentChanges compares where the environments are, and their Python.
func environmentChanges(a, b []record.Environment) (changes []FieldChange) {
	text := func(list []record.Environment) string {
		var texts []string
		for _, e := range list {
			texts = append(texts, strings.TrimSpace(e.Kind+" "+e.Path+" "+e.Python))
		}
		return strings.Join(texts, ", ")
	}
	if from, to := text(a), text(b); from != to {
		changes = append(changes, FieldChange{"environments", from, to})
	}
	return changes
}

func containerText(c *record.Container) string {
	if c == nil {
		return ""
	}
	return strings.Join(strings.Fields(strings.Join([]string{c.Kind, c.Image, c.Name, c.ID}, " ")), " ")
}

func imagesText(list []record.Container) string {
	var texts []string
	for i := range list {
		texts = append(texts, containerText(&list[i]))
	}
	return strings.Join(texts, ", ")
}

// packageChanges compares the packages of two runs, given as the parts "env", and says what was not
// compared. The error wraps record.ErrInvalid.
func packageChanges(a, b *record.Software, partA, partB []byte) (changes []FieldChange, notes []string, err error) {
	from, err := packagesOf(partA)
	if err != nil {
		return nil, nil, err
	}
	to, err := packagesOf(partB)
	if err != nil {
		return nil, nil, err
	}
	if notes = notRead(a, b); len(notes) > 0 {
		return nil, notes, nil
	}
	both := maps.Clone(from)
	maps.Copy(both, to)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if from[name] != to[name] {
			changes = append(changes, FieldChange{"package " + name, packageOf(from, name, a), packageOf(to, name, b)})
		}
	}
	if more := len(changes) - mostPackageChanges; more > 0 {
		changes = changes[:mostPackageChanges]
		notes = append(notes, fmt.Sprintf("%d more packages differ.", more))
	}
	return changes, notes, nil
}

// notRead returns notes on the environments of two runs whose packages are not listed.
func notRead(a, b *record.Software) (notes []string) {
	for _, e := range slices.Concat(a.Environments, b.Environments) {
		if note := fmt.Sprintf("The packages of %s were not compared: %s.", e.Path, e.NotRecorded); e.NotRecorded != "" && !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return notes
}

// packageOf returns the version of a package, NotRecorded if it may be one that is not listed.
func packageOf(list map[string]string, name string, s *record.Software) string {
	version, listed := list[name]
	if !listed && slices.ContainsFunc(s.Environments, func(e record.Environment) bool { return e.LeftOut > 0 }) {
		return NotRecorded
	}
	return version
}

// packagesOf returns the versions of the packages in a part "env" by their names, to which the kind
// of the environment is added where several have the package.
func packagesOf(part []byte) (map[string]string, error) {
	all := map[string]string{}
	if part == nil {
		return all, nil
	}
	list, err := software.Decode(part)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		for _, p := range slices.Concat(e.Packages, e.Editable) {
			name := p.Name
			if _, taken := all[name]; taken {
				name += " (" + e.Kind + ")"
			}
			all[name] = packageText(p)
		}
	}
	return all, nil
}

func packageText(p software.Package) string {
	texts := []string{p.Version, p.Build}
	if p.Version == "" {
		texts[0] = "of an unknown version"
	}
	if p.By != "" {
		texts = append(texts, "by "+p.By)
	}
	if e := p.Editable; e != nil {
		texts = append(texts, "in "+e.Path)
		if e.Commit != "" {
			texts = append(texts, fmt.Sprintf("%.12s", e.Commit))
		}
		if e.Dirty != nil && *e.Dirty {
			texts = append(texts, "dirty")
		}
	}
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), " ")
}
