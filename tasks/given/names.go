package given

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/afero"

	"qme/internal/regular"
	"qme/record"
)

// NamesName is the name of the file of Names in the home.
const NamesName = "names"

// Names are the names of tasks that were given in this home, in a file that no remote and no other home
// writes. That a task still has its name is said by its notes alone. It is safe for use by any number
// of processes.
type Names struct {
	fs   afero.Fs
	path string
}

// NewNames returns the names in a file (usually HOME/names). It is created when first written.
func NewNames(fsys afero.Fs, path string) *Names { return &Names{fsys, path} }

// Put notes that a task has been given a name, in one write. As in File.Add, the newline comes first.
func (n *Names) Put(name string, id record.ID) error {
	file, err := regular.Open(n.fs, n.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "\n%s %s", name, id)
	return errors.Join(err, file.Close())
}

// Get returns the task that was last given a name here, "" for none.
func (n *Names) Get(name string) (record.ID, error) {
	b, err := regular.ReadFile(n.fs, n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var last record.ID
	for line := range bytes.Lines(b) {
		of, id, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		if parsed, err := record.ParseID(id); ok && of == name && err == nil {
			last = parsed
		}
	}
	return last, nil
}
