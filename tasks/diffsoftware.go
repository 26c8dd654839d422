package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qme/provenance/software"
	"qme/record"
)

// packagePrefix begins the names of the fields for packages.
const packagePrefix = "package "

// ShownPackages is how many packages that differ are shown to people.
const ShownPackages = 20

// Abridged returns fields with at most some packages, for people, and how many packages are left out.
func Abridged(fields []FieldChange, most int) (few []FieldChange, more int) {
	packages := 0
	for _, f := range fields {
		if strings.HasPrefix(f.Name, packagePrefix) {
			if packages++; packages > most {
				more++
				continue
			}
		}
		few = append(few, f)
	}
	return few, more
}

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
	if changes, both := oneRecorded("software", a, b, func(*record.Software) string { return "" }); !both {
		return changes, nil
	}
	programs, notes := programChanges(a, b)
	changes = append(programs, changed(
		FieldChange{"environments", environmentsText(a.Environments), environmentsText(b.Environments)},
		FieldChange{"modules", strings.Join(a.Modules, " "), strings.Join(b.Modules, " ")},
		FieldChange{"container", containerText(a.Container), containerText(b.Container)},
		FieldChange{"images", imagesText(a.Images), imagesText(b.Images)},
	)...)
	for _, why := range slices.Concat(a.NotRecorded, b.NotRecorded) {
		if note := "Of the software, something was not recorded: " + why + "."; !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return changes, notes
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
	for _, path := range namesIn(from, to) {
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
	text := recordedText(p.Size, p.SHA256)
	if p.Real != "" {
		text = p.Real + ", " + text
	}
	if p.Interpreter != "" {
		text += ", by " + p.Interpreter
	}
	return text
}

// environmentsText says where the environments are, and which Python they have.
func environmentsText(list []record.Environment) string {
	var texts []string
	for _, e := range list {
		texts = append(texts, strings.TrimSpace(e.Kind+" "+e.Path+" "+e.Python))
	}
	return strings.Join(texts, ", ")
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
	for _, name := range namesIn(from, to) {
		if from[name] != to[name] {
			changes = append(changes, FieldChange{packagePrefix + name, packageOf(from, name, a), packageOf(to, name, b)})
		}
	}
	return changes, nil, nil
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
