package compare

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkCompare compares a log of which each line has a time of its run, and a text that is equal but
// for its last byte.
func BenchmarkCompare(b *testing.B) {
	lines := func(f Facts) string {
		var s strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&s, "%s INFO epoch %d loss %.4f\n", f.Begin.Add(time.Duration(i)*f.Duration/100_000).Format("2006-01-02 15:04:05.000"), i, 1/float64(i+1))
		}
		return s.String()
	}
	plain := strings.Repeat("0.12345,some text\n", 600_000)
	for name, c := range map[string][2]string{"log": {lines(refFacts), lines(nowFacts)}, "equal": {plain + "1", plain + "2"}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(c[0])))
			for b.Loop() {
				New(refFacts, nowFacts, Options{}).Text(c[0], c[1])
			}
		})
	}
}
