package safe_test

import (
	"testing"

	"qme/internal/safe"
)

func TestWhole(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a": "a", "aä": "aä", "a\xc3": "a", "\xf0\x9f\x98": "", "a\xff": "a\xff", "ä\x80": "ä\x80", "\x80\x80\x80\x80\x80": "\x80\x80\x80\x80\x80"} {
		if got := safe.Whole(in); got != want {
			t.Errorf("Whole(%q) returns %q, want %q", in, got, want)
		}
		if got := safe.Whole([]byte(in)); string(got) != want {
			t.Errorf("Whole of the bytes %q returns %q, want %q", in, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for most, want := range []string{"…", "a…", "a…", "aä…", "aäb"} {
		if got := safe.Shorten("aäb", most); got != want {
			t.Errorf("Shorten to %d bytes returns %q, want %q", most, got, want)
		}
	}
	if got := safe.Head("aäb", 2); got != "a" {
		t.Errorf("Head returns %q", got)
	}
}
