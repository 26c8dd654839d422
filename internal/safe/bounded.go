package safe

import "fmt"

// The characters of a text that Bounded shows: where it is longer, so many of its beginning
// and of its end.
const (
	boundedHead = 1000
	boundedTail = 500
)

// Bounded is Line for a text that may be long. Characters that are left out are counted, since
// they may be those that matter.
func Bounded(s string) string {
	r := []rune(Line(s))
	if left := len(r) - boundedHead - boundedTail; left > 0 {
		return fmt.Sprintf("%s … %d characters … %s", string(r[:boundedHead]), left, string(r[len(r)-boundedTail:]))
	}
	return string(r)
}
