package safe

import "fmt"

// The number of characters that Bounded keeps at the beginning and end of a longer text.
const (
	boundedHead = 1000
	boundedTail = 500
)

// Bounded is Line for a text that may be long. It gives the number of characters left
// out, since they may matter.
func Bounded(s string) string {
	r := []rune(Line(s))
	if left := len(r) - boundedHead - boundedTail; left > 0 {
		return fmt.Sprintf("%s … %d characters … %s", string(r[:boundedHead]), left, string(r[len(r)-boundedTail:]))
	}
	return string(r)
}
