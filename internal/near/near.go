// Package near finds the name that was probably meant by a mistyped one.
package near

// Distance returns the number of bytes to insert, delete, replace or swap with the next
// one to turn a into b (optimal string alignment).
func Distance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost++
			}
			next[j+1] = min(cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}

// Best returns the first of the candidates nearest to name. It returns "" if none is
// near: at most two mistakes, and fewer than half of the bytes of name.
func Best(name string, candidates []string) string {
	best, least := "", min(2, (len(name)-1)/2)+1
	for _, c := range candidates {
		if d := Distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}
