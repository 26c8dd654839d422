package trace

import "testing"

// TestHanding: the processor is handed over while one thread calls at a time, also one after the other,
// and not while several do.
func TestHanding(t *testing.T) {
	h := handing{on: true}
	window := func(inRow int) {
		for i := range handingWindow {
			h.saw(uint32(1 + i/inRow))
		}
	}
	for _, step := range []struct {
		inRow int // calls of a thread before the next one calls
		want  bool
	}{{handingWindow, true}, {15, true}, {1, false}, {3, false}, {100, true}, {2, false}} {
		if window(step.inRow); h.on != step.want {
			t.Errorf("after threads with %d calls in a row: %v", step.inRow, h.on)
		}
	}
}
