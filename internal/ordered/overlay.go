package ordered

import "iter"

// Overlay yields what two sequences yield, each of which is in the order of compare. Of two
// items that compare equal it yields the one of over alone.
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
