package record

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// TestCheckOfARecord refuses checks that no run of qme records.
func TestCheckOfARecord(t *testing.T) {
	many := map[string]int{}
	for i := range mostMaskedKinds + 1 {
		many[strings.Repeat("a", i+1)] = 1
	}
	good := func() *Check {
		return &Check{Of: NewRunID(), Verdict: CheckReproduced, Output: CheckEqual, Masked: map[string]int{"time": 2}, Tolerance: 1e-6, Files: &CheckedFiles{Equal: 1}}
	}
	for name, change := range map[string]func(*Check){
		"its reference":   func(c *Check) { c.Of = "../../x" },
		"its verdict":     func(c *Check) { c.Verdict = "fine\x1b[2J" },
		"no verdict":      func(c *Check) { c.Verdict = "" },
		"its output":      func(c *Check) { c.Output = CheckReproduced },
		"its kinds":       func(c *Check) { c.Masked = many },
		"a kind":          func(c *Check) { c.Masked = map[string]int{"Time": 1} },
		"a number":        func(c *Check) { c.Masked = map[string]int{"time": -1} },
		"its tolerance":   func(c *Check) { c.Tolerance = math.NaN() },
		"a large one":     func(c *Check) { c.Tolerance = 2 },
		"its files":       func(c *Check) { c.Files.Missing = -1 },
		"too many files":  func(c *Check) { c.Files.New = maxRun + 1 },
		"a very long one": func(c *Check) { c.Masked = map[string]int{strings.Repeat("a", longestKind+1): 1} },
	} {
		c := good()
		if err := c.check(); err != nil {
			t.Fatal(err)
		}
		if change(c); !errors.Is(c.check(), ErrInvalid) {
			t.Errorf("%s: %+v is taken", name, c)
		}
	}
}
