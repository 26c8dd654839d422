package safe_test

import (
	"testing"

	"qme/internal/safe"
)

// TestInvisible shows what nobody would see.
func TestInvisible(t *testing.T) {
	for in, want := range map[string]string{
		"a\u3164b": `a\u3164b`, "a\u034fb": `a\u034fb`, "a\u2800b": `a\u2800b`, "a\ufe0fb": `a\ufe0fb`, "a\ufe00": `a\ufe00`, "\u115f\u1160\uffa0": `\u115f\u1160\uffa0`,
		"\u17b4": `\u17b4`, "\u180b": `\u180b`, "\u2065": `\u2065`, "\U000e0100": `\U000e0100`, "\u200b\u00ad": `\u200b\u00ad`,
		"⚠\ufe0f ❤\ufe0f": "⚠\ufe0f ❤\ufe0f", "⚠\ufe0f\ufe0f": "⚠\ufe0f" + `\ufe0f`, "é 日本 ㄱ ⠁ \u3000": "é 日本 ㄱ ⠁ \u3000",
	} {
		if got := safe.Line(in); got != want {
			t.Errorf("%+q is shown as %+q, want %+q", in, got, want)
		}
	}
	if got := string(safe.JSON([]byte("\"⚠\ufe0fa\ufe0f\u3164\U000e0100\""))); got != "\"⚠\ufe0fa"+`\ufe0f\u3164\udb40\udd00"` {
		t.Errorf("as JSON it is %+q", got)
	}
}
