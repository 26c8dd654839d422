package config

import (
	"fmt"

	"qme/record"
)

// A problem is an error with a complete sentence as its text that wraps one of record's
// sentinels.
type problem struct {
	text string
	kind error
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.kind }

// invalid returns a problem that wraps record.ErrInvalid.
func invalid(format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), record.ErrInvalid}
}

// conflict returns a problem that wraps record.ErrConflict.
func conflict(format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), record.ErrConflict}
}

// inFile adds the name of the file and advice to an error of parse.
func inFile(path string, err error) error {
	return fmt.Errorf("%s %w; correct it, or move the file away to go by the defaults; \"qme config --edit\" opens it", path, err)
}
