package near

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"ls", "ls", 0}, {"lss", "ls", 1}, {"home", "hoem", 1},
		{"keep", "kep", 1}, {"abcd", "badc", 2}, {"run", "log", 3}, {"ca", "abc", 3},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestBest(t *testing.T) {
	names := []string{"run", "rerun", "ls", "get", "log", "cancel", "clear", "check"}
	for name, want := range map[string]string{
		"lss": "ls", "rnu": "run", "cancle": "cancel", "rernu": "rerun", "chek": "check",
		"nonsense": "", "x": "", "": "", "top": "", "sl": "", "make": "", "git": "get",
	} {
		if got := Best(name, names); got != want {
			t.Errorf("Best(%q) = %q, want %q", name, got, want)
		}
	}
}
