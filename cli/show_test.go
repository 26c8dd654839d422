package cli

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"qme/internal/safe"
	"qme/record"
	"qme/tests/require"
)

// TestPasteable has bash split the lines of random commands into their words, in two locales.
func TestPasteable(t *testing.T) {
	t.Parallel()
	require.Component(t, "bash")
	pieces := []string{"a", "7", " ", "'", `"`, `\`, "$HOME", "`", "!", "~", "#", "*", "\n", "\t", "\x01", "\x1b[2J", "\x7f", "\u0085", "\u00a0", "é", "日", "\u202e", "\u2028", "⚠\ufe0f", "\ufe0f", "\u3164", "\U000e0100", "\U0001f600", "$'", `\u202e`, "{a,b}", "<", "&", "(", "="}
	r := rand.New(rand.NewPCG(1, 5))
	for range 40 {
		words := make([]string, 60)
		for i := range words {
			for range r.IntN(6) {
				words[i] += pieces[r.IntN(len(pieces))]
			}
		}
		line, err := pasteable(&record.Record{Data: record.Data{Cmd: append([]string{"printf", `%s\0`}, words...)}})
		if err != nil {
			t.Fatal(err)
		}
		if safe.Line(line) != line {
			t.Errorf("%+q has what a terminal obeys", line)
		}
		for _, locale := range []string{"C", "C.UTF-8"} {
			cmd := exec.CommandContext(context.Background(), "bash", "-c", line)
			cmd.Env = append(os.Environ(), "LC_ALL="+locale)
			out, err := cmd.Output()
			if want := strings.Join(words, "\x00") + "\x00"; err != nil || string(out) != want {
				t.Fatalf("%s: %v\n%s\nprints\n%+q\nwant\n%+q", locale, err, line, out, want)
			}
		}
	}
}
