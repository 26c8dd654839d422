package given

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/afero"
)

// AcceptedName is the name of the file of Accepted in the home.
const AcceptedName = "accepted"

// Accepted are the changes of which the user of a home has said that they do not matter for what a run
// has made, in a file that no remote and no other home writes. It is safe for use by any number of
// processes.
type Accepted struct{ file lineFile }

// NewAccepted returns the changes in a file (usually HOME/accepted). It is created when first written.
func NewAccepted(fsys afero.Fs, path string) *Accepted { return &Accepted{lineFile{fsys, path}} }

// Change returns what stands for a change: words that say of which run it is, what has changed, and what
// there is now.
func Change(words ...string) string { return digest(words) }

// Put notes changes that do not matter for a run, in one write.
func (a *Accepted) Put(at time.Time, run string, changes []string) error {
	if len(changes) == 0 {
		return nil
	}
	var b bytes.Buffer
	for _, change := range changes {
		fmt.Fprintf(&b, "\n%s %s %s", at.UTC().Format(timeLayout), run, change)
	}
	return a.file.add(b.Bytes())
}

// All returns the changes by the runs for which they do not matter.
func (a *Accepted) All() (map[string]map[string]bool, error) {
	b, err := a.file.read()
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]bool{}
	for line := range bytes.Lines(b) {
		words := strings.Fields(string(line))
		if len(words) != 3 || len(words[2]) != 2*digestSize {
			continue // it is empty, or was cut off
		}
		if all[words[1]] == nil {
			all[words[1]] = map[string]bool{}
		}
		all[words[1]][words[2]] = true
	}
	return all, nil
}
