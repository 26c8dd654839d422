package record

import (
	"fmt"
	"slices"
	"strings"
)

// A Check is what a run found that was made to compare it with an earlier run of its task, its
// reference.
type Check struct {
	// Of is the data.run_id of the reference; empty for one that predates run ids.
	Of RunID `json:"of,omitempty"`
	// Verdict is CheckReproduced, CheckOutput, CheckDiffers or CheckUnknown.
	Verdict string `json:"verdict"`
	// Output says whether the return code and the output were those of the reference: CheckEqual,
	// CheckDiffers or CheckUnknown.
	Output string `json:"output"`
	// Masked counts the places of the output, and of files that are text, in which the two runs
	// differ and that come from the runs themselves, by their kind.
	Masked map[string]int `json:"masked,omitempty"`
	// Exact says that no such place was masked; Tolerance is by how much two numbers could differ,
	// relative to the larger one.
	Exact     bool    `json:"exact,omitempty"`
	Tolerance float64 `json:"tolerance,omitempty"`
	// Files counts the outputs of the two runs that are files; nil if none were recorded.
	Files *CheckedFiles `json:"files,omitempty"`
	// Sandbox says that the run took place in a copy of the recorded code and inputs.
	Sandbox bool `json:"sandbox,omitempty"`
}

// CheckedFiles counts files.
type CheckedFiles struct {
	Equal   int `json:"equal"`
	Differ  int `json:"differ,omitempty"`
	Missing int `json:"missing,omitempty"` // the run did not make it, and its reference did
	New     int `json:"new,omitempty"`     // the run made it, and its reference did not
	// Unknown are those of which no hash of the whole file is recorded.
	Unknown int `json:"unknown,omitempty"`
}

// The values of Check.Verdict, and of Check.Output the last three.
const (
	CheckReproduced = "reproduced"
	// CheckOutput says that the output was the same, and that no outputs that are files were recorded of
	// the reference.
	CheckOutput  = "output reproduced"
	CheckDiffers = "differs"
	// CheckUnknown is that of a check that was cut off, or of which not enough was recorded.
	CheckUnknown = "unknown"
	CheckEqual   = "equal"
)

// Limits of Check.
const (
	mostMaskedKinds = 50
	longestKind     = 60 // bytes
)

// IsCheck reports whether the run was made to check an earlier one. It is then no run of its task for
// listings, orders, numbers and searches.
func (r *Record) IsCheck() bool { return r.Data.Check != nil }

// Places returns the number of places that were masked.
func (c *Check) Places() int {
	n := 0
	for _, count := range c.Masked {
		n += count
	}
	return n
}

// Whole returns the number of files that were compared, or should have been.
func (f *CheckedFiles) Whole() int { return f.Equal + f.Differ + f.Missing + f.New + f.Unknown }

func (c *Check) check() error {
	if c == nil {
		return nil
	}
	if err := c.Of.check(); err != nil {
		return err
	}
	if !slices.Contains([]string{CheckReproduced, CheckOutput, CheckDiffers, CheckUnknown}, c.Verdict) {
		return fmt.Errorf("%w check: the verdict %.60q", ErrInvalid, c.Verdict)
	}
	if !slices.Contains([]string{CheckEqual, CheckDiffers, CheckUnknown}, c.Output) {
		return fmt.Errorf("%w check: the output is %.60q", ErrInvalid, c.Output)
	}
	if len(c.Masked) > mostMaskedKinds || !(c.Tolerance >= 0 && c.Tolerance <= 1) {
		return fmt.Errorf("%w check: its tolerance, or the number of kinds of masked places", ErrInvalid)
	}
	for kind, n := range c.Masked {
		if kind == "" || len(kind) > longestKind || n < 0 || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz -_") != "" {
			return fmt.Errorf("%w check: %d masked places of the kind %.60q", ErrInvalid, n, kind)
		}
	}
	if f := c.Files; f != nil {
		for _, n := range []int{f.Equal, f.Differ, f.Missing, f.New, f.Unknown} {
			if n < 0 || n > maxRun {
				return fmt.Errorf("%w check: it counts %d files", ErrInvalid, n)
			}
		}
	}
	return nil
}
