package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Decode reads and checks a stored record. The id must be valid and fit the executor, and the
// status must be one that the format defines. Each key must occur once and be spelled as in the
// format. Unknown keys go to Extra; their nesting is limited, so that Encode can write them. The
// error wraps ErrInvalid.
func Decode(b []byte) (*Record, error) {
	r := new(Record)
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		// Either the record has keys of a later version, which is rare and costs a second pass,
		// or it is invalid.
		if r, err = decodeWithExtra(b); err != nil {
			return nil, fmt.Errorf("%w record: %w", ErrInvalid, err)
		}
	} else if dec.InputOffset() < int64(len(bytes.TrimRight(b, " \t\r\n"))) {
		return nil, fmt.Errorf("%w record: more follows the JSON object", ErrInvalid)
	}
	if err := checkSpread(b, mostSpread); err != nil {
		return nil, fmt.Errorf("%w record: %w", ErrInvalid, err)
	}
	if err := checkKeys(b); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// DecodeBrief reads only the fields of a stored record that a listing shows, in half the time.
// It leaves out lists, maps, unknown keys and all objects except the job and the check, so the result must
// not be written back. The error wraps ErrInvalid.
func DecodeBrief(b []byte) (*Record, error) {
	t := briefRecord()
	read := reflect.New(t.of)
	if err := json.Unmarshal(b, read.Interface()); err != nil {
		return nil, fmt.Errorf("%w record: %w", ErrInvalid, err)
	}
	r := new(Record)
	t.copy(reflect.ValueOf(r).Elem(), read.Elem())
	return r, r.check()
}

// A brief describes a struct type without the long fields of another one.
type brief struct {
	of     reflect.Type
	fields []briefField
}

type briefField struct {
	index int    // index in the full struct
	brief *brief // for a struct, or a pointer to one, that is itself brief; else nil
}

var briefRecord = sync.OnceValue(func() *brief { return briefOf(reflect.TypeFor[Record]()) })

func briefOf(t reflect.Type) *brief {
	b := new(brief)
	var fields []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		var inner *brief
		switch f.Type {
		case reflect.TypeFor[Data]():
			inner = briefOf(f.Type)
			f.Type = inner.of
		case reflect.TypeFor[*Job]():
			inner = briefOf(f.Type.Elem())
			f.Type = reflect.PointerTo(inner.of)
		case reflect.TypeFor[*Time](), reflect.TypeFor[*Check](), reflect.TypeFor[*Queue]():
		default:
			k := f.Type.Kind()
			if k == reflect.Slice || k == reflect.Map || k == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
				continue
			}
		}
		fields = append(fields, f)
		b.fields = append(b.fields, briefField{i, inner})
	}
	b.of = reflect.StructOf(fields)
	return b
}

// copy sets the fields of a full struct from those of a brief one.
func (b *brief) copy(whole, short reflect.Value) {
	for i, f := range b.fields {
		to, from := whole.Field(f.index), short.Field(i)
		switch {
		case f.brief == nil:
			to.Set(from)
		case from.Kind() == reflect.Struct:
			f.brief.copy(to, from)
		case !from.IsNil():
			to.Set(reflect.New(to.Type().Elem()))
			f.brief.copy(to.Elem(), from.Elem())
		}
	}
}

func decodeWithExtra(b []byte) (*Record, error) {
	r := new(Record)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, err
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(b, &top); err != nil {
		return nil, err
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(top["data"], &data); err != nil {
		return nil, err
	}
	r.Extra = unknown(top, topKeys)
	r.Data.Extra = unknown(data, dataKeys)
	return r, nil
}

func (r *Record) check() error {
	if _, err := ParseID(string(r.UID)); err != nil {
		return err
	}
	if r.Executor != r.UID.Executor() {
		return fmt.Errorf("%w record %s: its executor is %q", ErrInvalid, r.UID, r.Executor)
	}
	switch r.Data.Status {
	case None, Running, Complete, Cancelled:
	default:
		return fmt.Errorf("%w record %s: status %q", ErrInvalid, r.UID, r.Data.Status)
	}
	if err := r.Data.RunID.check(); err != nil {
		return fmt.Errorf("record %s: %w", r.UID, err)
	}
	if r.Data.Run < 0 || int64(r.Data.Run) > maxRun {
		return fmt.Errorf("%w record %s: run %d is out of range", ErrInvalid, r.UID, r.Data.Run)
	}
	for _, err := range []error{checkMasked(r.Data.Masked), r.Data.Files.check(), r.Data.Parent.check(), r.Data.Declared.check(), r.Data.Stdin.check(), r.Data.Software.check(), r.Data.Machine.check(), r.Data.Parts.check(), r.Data.Usage.check(), r.Data.Check.check(), r.Data.Queue.check(), r.Data.Params.check(), r.Data.Group.check(), r.Data.Metrics.check(), r.Data.Origin.check(), r.Data.Job.check(), r.Data.Git.check(), r.Data.Code.check()} {
		if err != nil {
			return fmt.Errorf("record %s: %w", r.UID, err)
		}
	}
	for _, name := range StreamNames {
		_, s := name.Of(r)
		if s == nil {
			continue
		}
		if s.Size < 0 || s.Cut != nil && (s.Cut.Offset < 0 || s.Cut.Bytes < 0 || s.Cut.Offset > s.Size-s.Cut.Bytes) {
			return fmt.Errorf("%w record %s: a stream's size or cut is out of range", ErrInvalid, r.UID)
		}
	}
	return nil
}

// maxRun is the largest run number. No task is run that often, and sums with it do not
// overflow.
const maxRun = 1 << 31

// NextRun returns the number of the run after run n. It never exceeds the largest number, so
// that a run can still be recorded when it can no longer be counted.
func NextRun(n int) int { return int(min(int64(max(n, 1))+1, maxRun)) }

// Follows reports whether run number b can come after run number a.
func Follows(b, a int) bool { return b > a || b == a && int64(b) == maxRun }

var (
	topKeys  = jsonKeys(reflect.TypeFor[Record]())
	dataKeys = jsonKeys(reflect.TypeFor[Data]())
	jobKeys  = jsonKeys(reflect.TypeFor[Job]())
)

// jsonKeys lists the names that encoding/json gives to the fields of t.
func jsonKeys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "-" {
			keys = append(keys, name)
		}
	}
	return keys
}

func unknown(all map[string]json.RawMessage, known []string) map[string]json.RawMessage {
	extra := map[string]json.RawMessage{}
	for k, v := range all {
		// encoding/json matches names by Unicode case folding, which is more than lower case:
		// it takes "u\u017fer" for "user".
		if !slices.ContainsFunc(known, func(name string) bool { return strings.EqualFold(name, k) }) {
			extra[k] = v
		}
	}
	if len(extra) == 0 {
		return nil
	}
	return extra
}
