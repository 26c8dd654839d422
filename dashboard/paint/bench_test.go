package paint

import (
	"strings"
	"testing"
)

// BenchmarkPaint draws output as it mostly is, and coloured.
func BenchmarkPaint(b *testing.B) {
	for name, line := range map[string]string{
		"plain":    "the quick brown fox jumps over the lazy dog, again and again\n",
		"coloured": "\x1b[32mok\x1b[0m  package/of/tests \x1b[1;31mFAIL\x1b[0m in 12.3s, \x1b[38;5;208mwarning\x1b[0m\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(strings.Repeat(line, (1<<20)/len(line)))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Lines(text)
			}
		})
	}
}
