package odb

import (
	"os"
	"sync"

	"github.com/spf13/afero"
)

// readerAt makes ReadAt of a file safe for several goroutines, as io.ReaderAt asks.
// Those of the operating system are; afero's files in memory move their offset.
func readerAt(f afero.File) afero.File {
	if _, ok := f.(*os.File); ok {
		return f
	}
	return &serialFile{File: f}
}

type serialFile struct {
	afero.File
	mu sync.Mutex
}

// ReadAt implements io.ReaderAt.
func (s *serialFile) ReadAt(b []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.File.ReadAt(b, off)
}
