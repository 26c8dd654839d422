package ordered_test

import (
	"cmp"
	"slices"
	"testing"

	"qme/internal/ordered"
)

func TestOverlay(t *testing.T) {
	type item struct {
		key  int
		from string
	}
	of := func(from string, keys ...int) (items []item) {
		for _, k := range keys {
			items = append(items, item{k, from})
		}
		return items
	}
	compare := func(a, b item) int { return cmp.Compare(a.key, b.key) }
	for _, c := range []struct{ under, over, want []item }{
		{nil, nil, nil},
		{of("u", 1, 3), nil, of("u", 1, 3)},
		{nil, of("o", 1, 3), of("o", 1, 3)},
		{of("u", 2, 4), of("o", 1, 4, 6, 7), slices.Concat(of("o", 1), of("u", 2), of("o", 4, 6, 7))},
		{of("u", 1, 2), of("o", 1, 2), of("o", 1, 2)},
	} {
		all := ordered.Overlay(slices.Values(c.under), slices.Values(c.over), compare)
		got := slices.Collect(all)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v over %v: %v", c.over, c.under, got)
		}
		for n := range got { // a consumer that stops after any of them
			left := n
			for range all {
				if left--; left < 0 {
					break
				}
			}
		}
	}
}
