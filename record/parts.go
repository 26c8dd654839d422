package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// A PartName identifies a part of a run: a file beside its record, which is named after the task
// and this name.
type PartName string

// The names of the parts.
const (
	PartFiles     PartName = "files"      // the whole lists of files, if the record has only their beginnings
	PartEnv       PartName = "env"        // the software of the environment
	PartPatch     PartName = "patch"      // how the working tree of Data.Git differed from its commit
	PartCodePatch PartName = "code_patch" // the same of Data.Code
	PartScript    PartName = "script"     // the script of a batch job
	PartStdin     PartName = "stdin"      // standard input
	PartUsage     PartName = "usage"      // resources over time
	PartKept      PartName = "kept"       // outputs, as a tar
)

// PartNames lists all names of parts. It must not be changed.
var PartNames = []PartName{PartFiles, PartEnv, PartPatch, PartCodePatch, PartScript, PartStdin, PartUsage, PartKept}

// ErrNoPart says that a run has no part of that name.
var ErrNoPart = fmt.Errorf("the run has none: %w", ErrNotFound)

// ErrPartElsewhere says that a part stayed in the home in which its run took place.
var ErrPartElsewhere = fmt.Errorf("it stayed in the home in which the run took place, where the setting share.parts does not name it: %w", ErrNotFound)

// MaxPart limits the size of a part in bytes, so that parts can be handled in memory.
const MaxPart = 16 << 20

// A Part describes a part of a run.
type Part struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Home says that the part is in the home in which the run took place and nowhere else,
	// because the setting share.parts there does not name it.
	Home bool `json:"home,omitempty"`
}

// Parts are the parts of a run by their names.
type Parts map[PartName]Part

// NewPart describes a part with the given content.
func NewPart(content []byte) Part {
	sum := sha256.Sum256(content)
	return Part{Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}

// Holds reports whether the part has this content.
func (p Part) Holds(content []byte) bool {
	of := NewPart(content)
	return of.Size == p.Size && of.SHA256 == p.SHA256
}

// Shared reports whether the part has a file beside the record.
func (p Parts) Shared(name PartName) bool {
	part, ok := p[name]
	return ok && !part.Home
}

func (p Parts) check() error {
	for name, part := range p {
		if !slices.Contains(PartNames, name) {
			return fmt.Errorf("%w part %.60q: this version of qme does not know it", ErrInvalid, name)
		}
		if part.Size < 0 || part.Size > MaxPart || !IsSHA256(part.SHA256) {
			return fmt.Errorf("%w part %s: its size or hash", ErrInvalid, name)
		}
	}
	return nil
}
