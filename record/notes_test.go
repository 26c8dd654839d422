package record_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"qme/record"
	"qme/tests/require"
)

// Notes that are written are read again as they were, with what a later version has added.
func TestNotesCodec(t *testing.T) {
	at := record.Time{Time: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	n := &record.Notes{
		Name: &record.Name{Text: "baseline", At: at, By: "ada"}, Tags: []string{"paper", "draft", "paper"},
		Notes:    []record.Note{{ID: "0123456789ab", At: at, By: "ada", Text: "one\ntwo <b>", Edited: &at}},
		Restored: &at, Extra: map[string]json.RawMessage{"colour": json.RawMessage(`{"r": 1}`)},
	}
	b, err := record.EncodeNotes(n)
	if err != nil {
		t.Fatal(err)
	}
	again, err := record.DecodeNotes(b)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(again.Tags) != "[draft paper]" || again.Named() != "baseline" || again.Notes[0].Text != "one\ntwo <b>" || len(again.Extra) != 1 {
		t.Errorf("%+v", again)
	}
	if c, err := record.EncodeNotes(again); err != nil || string(c) != string(b) {
		t.Errorf("%s\n%s, %v", b, c, err)
	}
}

// What breaks a rule is not read.
func TestNotesInvalid(t *testing.T) {
	const at = `"at":"2026-11-29T12:00:00.000000+00:00"`
	for _, s := range []string{
		``, `[]`, `{"tags":["a b"]}`, `{"tags":["-a"]}`, `{"tags":[""]}`, `{"tags":["a","` + strings.Repeat("x", 61) + `"]}`, `{"Tags":[]}`, `{"tags":[],"tags":[]}`,
		`{"name":{"text":"0ab"}}`, `{"name":{"text":"abc",` + at + `}}`, `{"name":{"text":"A",` + at + `}}`, `{"name":{"text":"x/y",` + at + `}}`,
		`{"notes":[{"id":"x",` + at + `,"text":"a"}]}`, `{"notes":[{"id":"0123456789ab",` + at + `,"text":""}]}`,
		`{"notes":[{"id":"0123456789ab",` + at + `,"text":"a"},{"id":"0123456789ab",` + at + `,"text":"a"}]}`,
	} {
		if _, err := record.DecodeNotes([]byte(s)); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func FuzzNotes(f *testing.F) {
	f.Add([]byte(`{"tags":["a"],"x":1}`))
	f.Add([]byte(`{"colour":"red"}`))
	f.Add([]byte(`{"x":[[],{},[{}],{"a":[1,2]}, "a\\"] , "y": { } }`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := record.DecodeNotes(b)
		if err != nil {
			return
		}
		c, err := record.EncodeNotes(n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.DecodeNotes(c); err != nil {
			t.Fatalf("%q was written as %q: %v", b, c, err)
		}
	})
}

// randomNotes changes notes in a few ways. step makes times differ.
func randomNotes(r *rand.Rand, n *record.Notes, step int) *record.Notes {
	n = n.Clone()
	at := func() record.Time { return record.Time{Time: time.Unix(int64(step+r.IntN(3)), 0).UTC()} }
	for range r.IntN(6) {
		tag, id := string(rune('a'+r.IntN(4))), fmt.Sprintf("%012x", r.IntN(4))
		switch i := r.IntN(8); {
		case i < 2:
			n.Tags = append(n.Tags, tag)
		case i == 2:
			n.Tags = removed(n.Tags, func(s string) bool { return s == tag })
		case i == 3:
			n.Name = &record.Name{Text: "name-" + tag, At: at(), By: "u"}
		case i == 4:
			n.Name = nil
		case i == 5:
			n.Notes = removed(n.Notes, func(o record.Note) bool { return o.ID == id })
		case i == 6:
			t := at()
			n.Restored = &t
		default:
			edited := at()
			n.Notes = append(removed(n.Notes, func(o record.Note) bool { return o.ID == id }), record.Note{ID: id, At: record.Time{Time: time.Unix(1, 0).UTC()}, By: "u", Text: fmt.Sprint(r.IntN(3)), Edited: &edited})
		}
	}
	b, err := record.EncodeNotes(n)
	if err != nil {
		panic(err)
	}
	if n, err = record.DecodeNotes(b); err != nil {
		panic(err)
	}
	return n
}

func removed[T any](list []T, is func(T) bool) (left []T) {
	for _, one := range list {
		if !is(one) {
			left = append(left, one)
		}
	}
	return left
}

func encoded(t *testing.T, n *record.Notes) string {
	t.Helper()
	b, err := record.EncodeNotes(n)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The order of the sides does not matter, a side without changes gives way, a merge with its own
// result changes nothing, and what was added on a side is there.
func TestMergeNotes(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		base := randomNotes(r, nil, 0)
		a, b := randomNotes(r, base, 10), randomNotes(r, base, 10)
		m := record.MergeNotes(base, a, b)
		if x, y := encoded(t, m), encoded(t, record.MergeNotes(base, b, a)); x != y {
			t.Fatalf("seed %d: %s\n%s", seed, x, y)
		}
		if x, y := encoded(t, a), encoded(t, record.MergeNotes(base, a, base)); x != y && reflect.DeepEqual(a.Restored, base.Restored) {
			t.Fatalf("seed %d: one side alone: %s\n%s", seed, x, y)
		}
		if x, y := encoded(t, m), encoded(t, record.MergeNotes(a, m, a)); x != y {
			t.Fatalf("seed %d: again: %s\n%s", seed, x, y)
		}
		for _, tag := range a.Tags {
			was, is := strings.Contains(fmt.Sprint(base.Tags), tag), strings.Contains(fmt.Sprint(m.Tags), tag)
			if !was && !is {
				t.Fatalf("seed %d: the tag %s is lost", seed, tag)
			}
		}
	}
}

// Notes of two homes that come to too much are merged all the same: the longest are left out, and counted.
func TestMergeTooMuch(t *testing.T) {
	require.Alone(t)
	many := func(from, n int, text string) *record.Notes {
		notes := &record.Notes{}
		for i := range n {
			notes.Notes = append(notes.Notes, record.Note{ID: fmt.Sprintf("%012x", from+i), At: record.Time{Time: time.Unix(int64(from+i), 0).UTC()}, By: "u", Text: text})
		}
		return notes
	}
	by := func(n *record.Notes, user string) *record.Notes {
		for i := range n.Notes {
			n.Notes[i].By = user
		}
		return n
	}
	for name, c := range map[string][2]*record.Notes{
		"long texts": {many(0, 40, strings.Repeat("x", record.LongestNote)), many(100, 40, strings.Repeat("y", record.LongestNote))},
		"many":       {many(0, 4000, "a"), many(5000, 4000, "b")},
		"long users": {by(many(0, 1500, "a"), strings.Repeat("\x01", 500)), by(many(5000, 1500, "b"), strings.Repeat("\x01", 500))},
	} {

		all := len(c[0].Notes) + len(c[1].Notes)
		m, other := record.MergeNotes(nil, c[0], c[1]), record.MergeNotes(nil, c[1], c[0])
		if m.LeftOut == 0 || len(m.Notes)+m.LeftOut != all || encoded(t, m) != encoded(t, other) {
			t.Errorf("%s: %d notes, %d left out", name, len(m.Notes), m.LeftOut)
		}
		if _, err := record.DecodeNotes([]byte(encoded(t, m))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What can be read is small enough for a merge with other notes, however long the users are.
func TestLongUsers(t *testing.T) {
	n := &record.Notes{}
	for i := range 1500 {
		n.Notes = append(n.Notes, record.Note{ID: fmt.Sprintf("%012x", i), By: strings.Repeat("\x01", 500), Text: "a"})
	}
	if _, err := record.DecodeNotes([]byte(encoded(t, n))); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

// Whatever other notes say of what was left out, a merge with them can be written.
func TestMergeLeftOutMost(t *testing.T) {
	from := func(leftOut string) (*record.Notes, error) {
		return record.DecodeNotes([]byte(`{"left_out": ` + leftOut + `}`))
	}
	if _, err := from("9223372036854775807"); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("%v", err)
	}
	most, err := from("1073741824")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5001 {
		most.Notes = append(most.Notes, record.Note{ID: fmt.Sprintf("%012x", i), By: "u", Text: "a"})
	}
	if _, err := record.DecodeNotes([]byte(encoded(t, record.MergeNotes(nil, most, nil)))); err != nil {
		t.Error(err)
	}
}
