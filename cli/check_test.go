package cli

import "testing"

func TestProgressText(t *testing.T) {
	for want, got := range map[string]string{
		"1 task mirrored":             progressText("tasks mirrored", 1, 0),
		"2 tasks mirrored":            progressText("tasks mirrored", 2, 0),
		"1 s so far: packing":         progressText("s so far: packing", 1, 0),
		"1 of 2 tasks checked (50 %)": progressText("tasks checked", 1, 2),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
