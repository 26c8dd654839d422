package query

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"qme/internal/lazy"
	"qme/record"
)

// memory makes a condition on the memory that a run needed.
func (p *parser) memory(value string, at int) (term, error) {
	o, rest := cutOperator(value)
	size, err := humanize.ParseBytes(rest)
	if err != nil || o == "" || o == "=" || o == "!=" {
		return term{}, p.errorAt(at, "memory: takes <, <=, > or >= and a size such as 500MB or 1.5GiB, not %.60q", value)
	}
	want := int64(min(size, math.MaxInt64))
	return term{
		whole: true,
		test: func(r *record.Record) bool {
			n := r.Memory()
			return n > 0 && o.holds(cmp.Compare(n, want))
		},
		values: values{Leaf: Leaf{Field: "memory", Admits: func(v string) bool {
			n, err := strconv.Atoi(v)
			if o == "<" || o == "<=" { // the least that has so many digits
				return err == nil && uint64(1)<<(n-1) <= uint64(want)
			}
			return err == nil && uint64(1)<<n > uint64(want)
		}}},
	}, nil
}

// memoryDigits returns the number of binary digits of the memory of a run.
func memoryDigits(r *record.Record) string {
	if n := r.Memory(); n > 0 {
		return strconv.Itoa(bits.Len64(uint64(n)))
	}
	return notKnown
}

// partOf makes a condition that holds for runs of which one of some texts has this one in it, in
// upper or lower case.
func partOf(name, word string, of func(*record.Record) []string) term {
	word = Fold(word)
	has := func(s string) bool { return strings.Contains(Fold(s), word) }
	return term{
		whole: true,
		test:  func(r *record.Record) bool { return slices.ContainsFunc(of(r), has) },
		// What is cut may have it behind.
		values: values{Leaf: Leaf{Field: name, Admits: func(v string) bool { return len(v) >= longestValue || has(v) }}},
	}
}

// ProgramsOf returns the paths of the programs of a run, also without symbolic links.
func ProgramsOf(r *record.Record) (list []string) {
	if r.Data.Software == nil {
		return nil
	}
	for _, p := range r.Data.Software.Programs {
		if list = append(list, p.Path); p.Real != "" {
			list = append(list, p.Real)
		}
	}
	return unique(list)
}

// SoftwareOf returns the environments of a run, each its kind and its folder, and its modules. The
// packages of environments are in no record.
func SoftwareOf(r *record.Record) (list []string) {
	if r.Data.Software == nil {
		return nil
	}
	for _, e := range r.Data.Software.Environments {
		list = append(list, e.Kind+" "+e.Path)
	}
	return unique(append(list, r.Data.Software.Modules...))
}

// ContainersOf returns what is known of the container in which a run took place, and of those that it
// has started: kind, image, name and id of each.
func ContainersOf(r *record.Record) (list []string) {
	s := r.Data.Software
	if s == nil {
		return nil
	}
	all := s.Images
	if s.Container != nil {
		all = append([]record.Container{*s.Container}, all...)
	}
	for _, c := range all {
		known := slices.DeleteFunc([]string{c.Kind, c.Image, c.Name, c.ID}, func(s string) bool { return s == "" })
		list = append(list, strings.Join(known, " "))
	}
	return unique(list)
}

var hexDigits = lazy.Regexp(`^[0-9a-f]{7,64}$`)

// hash makes a condition on the beginning of a SHA-256.
func (p *parser) hash(value string, at int) (term, error) {
	prefix := strings.ToLower(value)
	if !hexDigits().MatchString(prefix) {
		return term{}, p.errorAt(at, "hash: takes the SHA-256 of a file, or 7 of its digits or more, not %.60q", value)
	}
	return term{
		whole: true,
		test: func(r *record.Record) bool {
			return slices.ContainsFunc(hashesOf(r), func(s string) bool { return strings.HasPrefix(s, prefix) })
		},
		values: values{Leaf: Leaf{Field: "hash", Prefix: prefix[:min(len(prefix), indexedDigits)]}},
	}, nil
}

// indexedDigits is how many digits of a hash an index holds.
const indexedDigits = 16

// hashesOf returns the SHA-256 of the files of a run, those that its record lists, and of what came
// through a pipe. A hash of parts of a file is not one of them.
func hashesOf(r *record.Record) (list []string) {
	if s := r.Data.Stdin; s != nil {
		list = append(list, s.SHA256)
	}
	if f := r.Data.Files; f != nil {
		for _, one := range slices.Concat(f.In, f.Out) {
			if !one.Partial {
				list = append(list, one.SHA256)
			}
		}
	}
	return unique(slices.DeleteFunc(list, func(s string) bool { return !record.IsSHA256(s) }))
}

// indexedHashes returns the hashes as an index holds them.
func indexedHashes(r *record.Record) []string {
	list := hashesOf(r)
	for i, s := range list {
		list[i] = s[:indexedDigits]
	}
	return unique(list)
}
