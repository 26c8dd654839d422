package cli

import (
	"os"

	"github.com/spf13/afero"
)

// noFs is the file system of a home that does not exist: every operation fails with why.
type noFs struct {
	afero.Fs
	why error
}

// Open fails.
func (n noFs) Open(string) (afero.File, error) { return nil, n.why }

// OpenFile fails.
func (n noFs) OpenFile(string, int, os.FileMode) (afero.File, error) { return nil, n.why }

// Create fails.
func (n noFs) Create(string) (afero.File, error) { return nil, n.why }

// Mkdir fails.
func (n noFs) Mkdir(string, os.FileMode) error { return n.why }

// MkdirAll fails.
func (n noFs) MkdirAll(string, os.FileMode) error { return n.why }

// Stat fails.
func (n noFs) Stat(string) (os.FileInfo, error) { return nil, n.why }

// Remove fails.
func (n noFs) Remove(string) error { return n.why }

// RemoveAll fails.
func (n noFs) RemoveAll(string) error { return n.why }

// Rename fails.
func (n noFs) Rename(string, string) error { return n.why }
