package safe_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"qme/internal/safe"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct{ line, message string }{
		"plain, naïve, 日本 🙂":       {"plain, naïve, 日本 🙂", "plain, naïve, 日本 🙂"},
		"\x1b[31mred\x07":          {`\x1b[31mred\x07`, `\x1b[31mred\x07`},
		"two\nlines\tand\r":        {`two\nlines\tand\r`, "two\nlines\tand\\r"},
		"C1 \u009b31m":             {`C1 \u009b31m`, `C1 \u009b31m`},
		"reordered \u202etxt.exe":  {`reordered \u202etxt.exe`, `reordered \u202etxt.exe`},
		"separator \u2028":         {`separator \u2028`, `separator \u2028`},
		"not UTF-8 \xff\xfe":       {`not UTF-8 \xff\xfe`, `not UTF-8 \xff\xfe`},
		"a tag \U000e0041, hidden": {`a tag \U000e0041, hidden`, `a tag \U000e0041, hidden`},
	} {
		if got := safe.Line(in); got != want.line {
			t.Errorf("Line(%q) is %q", in, got)
		}
		if got := safe.Message(in); got != want.message {
			t.Errorf("Message(%q) is %q", in, got)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	in := map[string]string{"a": "\u009b31m \u202e \U000e0041 \u2028 plain\n"}
	b, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	out := safe.JSON(b)
	var back map[string]string
	if err := json.Unmarshal(out, &back); err != nil || !reflect.DeepEqual(back, in) {
		t.Errorf("%s is %v, %v", out, back, err)
	}
	for _, r := range string(out) {
		if r > 0x7f {
			t.Errorf("%U is left in %s", r, out)
		}
	}
}
