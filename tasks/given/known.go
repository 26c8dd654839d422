package given

import "qme/record"

// Known answers for many records, as File.Has does, which of their commands were given. It is for one
// goroutine.
type Known struct {
	f      *File
	misses int
	all    map[string]bool // by Line.what; nil until it is worth to read all lines
}

// Known returns what answers for many records. Lines that are added later may not count.
func (f *File) Known() *Known { return &Known{f: f} }

// scans is how often all lines are looked through for one record before they are kept in memory.
const scans = 4

// Has is File.Has.
func (k *Known) Has(rec *record.Record) (bool, error) {
	l := Of(rec, "")
	if k.all != nil {
		return k.all[l.what()], nil
	}
	if found, err := k.f.hasNear(l); found || err != nil {
		return found, err
	}
	if k.misses++; k.misses <= scans {
		return k.f.has(l)
	}
	all := map[string]bool{}
	for text, err := range k.f.backwards() {
		if err != nil {
			return false, err
		}
		if l, ok := parse(string(text)); ok {
			all[l.what()] = true
		}
	}
	k.all = all
	return all[l.what()], nil
}
