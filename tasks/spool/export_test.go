package spool

import "github.com/spf13/afero"

// NewDead returns a spool as a process used it that has died since.
func NewDead(fsys afero.Fs, dir string) *Spool {
	s := New(fsys, dir)
	s.me = func() owner {
		o := self()
		o.Start = "0" // the number belongs to another process now
		return o
	}
	return s
}
