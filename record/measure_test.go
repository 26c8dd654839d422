package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestMeasure compares the size of the stored form with that form, for values with any blanks.
func TestMeasure(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		text, levels := randomJSON(r, 5)
		var plain bytes.Buffer
		if err := json.Compact(&plain, []byte(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		form, err := indented(plain.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, b := range [][]byte{[]byte(text), plain.Bytes(), form} {
			if size, deep := measure(b); size != int64(len(form)) || deep != levels {
				t.Fatalf("%s has %d bytes and %d levels, want %d and %d:\n%s", b, size, deep, len(form), levels, form)
			}
		}
	}
}

// randomJSON returns a value with blanks, and its levels.
func randomJSON(r *rand.Rand, most int) (string, int) {
	blank := func() string { return strings.Repeat(" \n\t", r.IntN(3)) }
	kind := r.IntN(5)
	if most == 0 {
		kind = r.IntN(3)
	}
	switch kind {
	case 0:
		return []string{"1", "-2.5e3", "true", "null"}[r.IntN(4)], 0
	case 1, 2:
		return []string{`""`, `"a, b"`, `"\\"`, `"\"[{:,"`, `"é\u2028"`}[r.IntN(5)], 0
	}
	var members []string
	deepest := 0
	for i := range r.IntN(4) {
		value, levels := randomJSON(r, most-1)
		deepest = max(deepest, levels)
		if kind == 3 {
			value = fmt.Sprintf(`"%d:"`, i) + blank() + ":" + blank() + value
		}
		members = append(members, blank()+value+blank())
	}
	text := strings.Join(members, ",") + blank()
	if kind == 3 {
		return "{" + text + "}", deepest + 1
	}
	return "[" + text + "]", deepest + 1
}
