package record_test

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"qme/record"
)

// nested returns n lists in each other, the innermost with the elements.
func nested(n int, elements string) string {
	return strings.Repeat("[", n) + elements + strings.Repeat("]", n)
}

// allocated returns how many bytes a function allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What another home has put into unknown keys does not become much more when it is written again.
func TestNestedUnknownKeys(t *testing.T) {
	ones := strings.Repeat("1,", 2000) + "1"
	record1 := func(x string) string { return with(t, `"pid":1`, `"x":`+x+`,"pid":1`) }
	job := func(x string) string { return with(t, `"pid":1`, `"job":{"x":`+x+`},"pid":1`) }
	top := func(x string) string { return with(t, `"command"`, `"x":`+x+`,"command"`) }
	notes := func(x string) string { return `{"x":` + x + `}` }
	written := func(text string) (b []byte, err error) {
		if !strings.Contains(text, `"uid"`) {
			n, err := record.DecodeNotes([]byte(text))
			if err != nil {
				return nil, err
			}
			return record.EncodeNotes(n)
		}
		r, err := record.Decode([]byte(text))
		if err != nil {
			return nil, err
		}
		return record.Encode(r)
	}
	for name, c := range map[string]struct {
		in    func(string) string
		above int // the levels above the value
	}{"data": {record1, 2}, "job": {job, 3}, "top": {top, 1}, "notes": {notes, 1}} {
		for _, levels := range []int{33, 5000, 9000} {
			text := c.in(nested(levels-c.above, ones))
			var err error
			if n := allocated(func() { _, err = written(text) }); n > 4<<20 {
				t.Errorf("%s: %d levels of %d bytes take %d bytes of memory", name, levels, len(text), n)
			}
			if !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), "at most 32 are allowed") {
				t.Errorf("%s: %d levels: %v", name, levels, err)
			}
		}
		text := c.in(nested(32-c.above, ones))
		b, err := written(text)
		if err != nil || len(b) > 65*len(text) {
			t.Errorf("%s: 32 levels: %d bytes of %d, %v", name, len(b), len(text), err)
		}
		if again, err := written(string(b)); err != nil || string(again) != string(b) {
			t.Errorf("%s: written again it has %d bytes, not %d: %v", name, len(again), len(b), err)
		}
		// Many elements at an allowed level.
		text = c.in(nested(32-c.above, strings.Repeat("1,", 500_000)+"1"))
		if _, err := written(text); !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), "when written again") {
			t.Errorf("%s: many elements: %v", name, err)
		}
	}
	// Brackets in texts are no levels.
	if _, err := written(record1(`"` + strings.Repeat(`[{\"`, 100) + `"`)); err != nil {
		t.Error(err)
	}
}

// No record is written that is too large to be read by others, and none is made to find that out.
func TestEncodeLimit(t *testing.T) {
	r := decode(t, minimal)
	r.Extra = map[string]json.RawMessage{"x": json.RawMessage(nested(9000, strings.Repeat("1,", 20_000)+"1"))}
	var err error
	if n := allocated(func() { _, err = record.Encode(r) }); n > 4<<20 {
		t.Errorf("it takes %d bytes of memory", n)
	}
	if !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), "at most 268435456 are allowed") {
		t.Error(err)
	}
}

// Unknown keys alone are an object, too.
func TestOnlyUnknownKeys(t *testing.T) {
	n, err := record.DecodeNotes([]byte(`{"colour":"red"}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := record.EncodeNotes(n)
	if err != nil || string(b) != "{\n  \"colour\": \"red\"\n}\n" {
		t.Fatalf("%s, %v", b, err)
	}
}
