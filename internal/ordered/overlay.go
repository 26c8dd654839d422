package ordered

import "iter"

// Overlay merges two sequences, each of which is sorted by compare. Of two items that
// compare equal it yields only that of over.
func Overlay[T any](under, over iter.Seq[T], compare func(a, b T) int) iter.Seq[T] {
	return func(yield func(T) bool) {
		next, stop := iter.Pull(over)
		defer stop()
		top, more := next()
		for item := range under {
			for more && compare(top, item) < 0 {
				if !yield(top) {
					return
				}
				top, more = next()
			}
			if more && compare(top, item) == 0 {
				item = top
				top, more = next()
			}
			if !yield(item) {
				return
			}
		}
		for more && yield(top) {
			top, more = next()
		}
	}
}
