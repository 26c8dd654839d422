package software

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"qme/record"
)

// mostPackages is how many packages of an environment are listed.
const mostPackages = 20_000

// A Package is one that an environment has.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Build   string `json:"build,omitempty"` // of conda
	By      string `json:"by,omitempty"`    // "pip" in an environment of conda
	// Editable says where the package is that is used in its place; nil for an installed one.
	Editable *Editable `json:"editable,omitempty"`
}

// An Editable is the folder of a package that is developed.
type Editable struct {
	Path   string `json:"path,omitempty"`
	Commit string `json:"commit,omitempty"` // of its git repository
	Dirty  *bool  `json:"dirty,omitempty"`  // nil if that is not known
}

// A listing has the packages of one environment.
type listing struct {
	looked   []looked // what it was made from
	python   string
	packages []Package
	editable []Package // without their state
	leftOut  int
	stop     func() bool

	// count and lines are the packages in their stored form, once finish was called.
	count int
	lines []byte
}

// add adds a package whose texts were checked.
func (l *listing) add(p Package) {
	switch {
	case len(l.packages)+len(l.editable) == mostPackages:
		l.leftOut++
	case p.Editable != nil:
		l.editable = append(l.editable, p)
	default:
		l.packages = append(l.packages, p)
	}
}

// late returns errLate when nothing waits for the listing any more.
func (l *listing) late() error {
	if l.stop != nil && l.stop() {
		return errLate
	}
	return nil
}

func byName(a, b Package) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Build, b.Build), cmp.Compare(a.By, b.By))
}

// finish makes the stored form, which is the same for the same packages.
func (l *listing) finish() {
	slices.SortFunc(l.packages, byName)
	slices.SortFunc(l.editable, byName)
	l.packages = slices.CompactFunc(l.packages, func(a, b Package) bool { return byName(a, b) == 0 })
	l.count, l.lines = len(l.packages), lines(l.packages)
}

// lines returns packages in the stored form, each on a line.
func lines(list []Package) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b) // it cannot fail: a Package has nothing but texts
	enc.SetEscapeHTML(false)
	for i, p := range list {
		if i > 0 {
			b.Truncate(b.Len() - 1)
			b.WriteString(",\n")
		}
		_ = enc.Encode(p)
	}
	return b.Bytes()
}

// mostStates is how many editable packages are looked at for their state.
const mostStates = 20

// Encode returns the part "env" of environments that were read; nil if no packages are known. state
// returns the state of the git repository that holds a folder; nil for none.
func Encode(list []*Environment, state func(dir string) *record.Git) []byte {
	var b bytes.Buffer
	some, asked := false, 0
	b.WriteString(`{"environments": [`)
	for i, e := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n{\"kind\": %q", e.Kind)
		if l := e.list; l != nil {
			some = some || l.count+len(l.editable) > 0
			b.WriteString(", \"packages\": [\n")
			b.Write(l.lines)
			if len(l.editable) > 0 {
				b.WriteString("], \"editable\": [\n")
				b.Write(lines(withState(l.editable, state, &asked)))
			}
			b.WriteByte(']')
		}
		b.WriteByte('}')
	}
	if !some {
		return nil
	}
	b.WriteString("\n]}\n")
	return b.Bytes()
}

func withState(list []Package, state func(dir string) *record.Git, asked *int) []Package {
	list = slices.Clone(list)
	for i, p := range list {
		if p.Editable.Path == "" || state == nil || *asked == mostStates {
			continue
		}
		*asked++
		if git := state(p.Editable.Path); git != nil {
			list[i].Editable = &Editable{Path: p.Editable.Path, Commit: git.Commit, Dirty: git.Dirty}
		}
	}
	return list
}

// A Listed is an environment as it is in the part "env".
type Listed struct {
	Kind     string    `json:"kind"`
	Packages []Package `json:"packages,omitempty"`
	Editable []Package `json:"editable,omitempty"`
}

// Decode reads a part "env". Its texts may be anything. The error wraps record.ErrInvalid.
func Decode(part []byte) ([]Listed, error) {
	var all struct {
		Environments []Listed `json:"environments"`
	}
	dec := json.NewDecoder(bytes.NewReader(part))
	if err := dec.Decode(&all); err != nil {
		return nil, fmt.Errorf("%w list of packages: %w", record.ErrInvalid, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w list of packages: more follows the JSON object", record.ErrInvalid)
	}
	return all.Environments, nil
}
