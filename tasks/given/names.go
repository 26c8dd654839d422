package given

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/afero"

	"qme/record"
)

// NamesName is the name of the file of Names in the home.
const NamesName = "names"

// Names are the names of tasks that were given in this home, in a file that no remote and no other home
// writes. That a task still has its name is said by its notes alone. It is safe for use by any number
// of processes.
type Names struct{ file lineFile }

// NewNames returns the names in a file (usually HOME/names). It is created when first written.
func NewNames(fsys afero.Fs, path string) *Names { return &Names{lineFile{fsys, path}} }

// Put notes that a task has been given a name, in one write.
func (n *Names) Put(name string, id record.ID) error {
	return n.file.add(fmt.Appendf(nil, "\n%s %s", name, id))
}

// Get returns the task that was last given a name here, "" for none.
func (n *Names) Get(name string) (record.ID, error) {
	b, err := n.file.read()
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
