package config

import (
	"fmt"

	"qme/record"
)

// A problem is an error whose text is a whole sentence of its own and that is
// still found by errors.Is as one of record's sentinels.
type problem struct {
	text string
	kind error
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.kind }

// invalid makes a problem that is record.ErrInvalid.
func invalid(format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), record.ErrInvalid}
}

// conflict makes a problem that is record.ErrConflict.
func conflict(format string, args ...any) error {
	return &problem{fmt.Sprintf(format, args...), record.ErrConflict}
}

// inFile says of an error of parse which file it is about, and what can be done.
func inFile(path string, err error) error {
	return fmt.Errorf("%s %w; correct it, or move the file away to go by the defaults; \"qme config --edit\" opens it", path, err)
}
