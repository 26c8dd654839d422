package gitstore

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// runsExt ends the name of the file that lists, one in a line, the commits with
// those runs of a task to which data.previous does not lead: in a merge
// they were replaced by later ones of another machine.
const runsExt = ".runs"

func runsPath(id record.ID) string { return path.Join(id.Dir(), string(id)+runsExt) }

// maxRuns bounds the size of such a file.
const maxRuns = 1 << 20

func encodeRuns(commits []plumbing.Hash) []byte {
	commits = slices.Clone(commits)
	plumbing.HashesSort(commits)
	var out bytes.Buffer
	for _, h := range slices.Compact(commits) {
		out.WriteString(h.String() + "\n")
	}
	return out.Bytes()
}

func decodeRuns(b []byte) ([]plumbing.Hash, error) {
	if len(b) > maxRuns {
		return nil, fmt.Errorf("list of runs has %d bytes: %w", len(b), record.ErrInvalid)
	}
	var commits []plumbing.Hash
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if !plumbing.IsHash(line) {
			return nil, fmt.Errorf("list of runs names %.50q, which is no commit: %w", line, record.ErrInvalid)
		}
		commits = append(commits, plumbing.NewHash(line))
	}
	return commits, nil
}

func runsOf(r objectReader, blob plumbing.Hash) ([]plumbing.Hash, error) {
	_, b, err := r.Get(blob)
	if err != nil {
		return nil, err
	}
	return decodeRuns(b)
}

// readRuns returns the commits that the file at path p lists, none when there is no file.
func readRuns(r objectReader, root plumbing.Hash, p string) ([]plumbing.Hash, error) {
	e, err := lookup(r, root, p)
	if err != nil || e == nil {
		return nil, err
	}
	list, err := runsOf(r, e.hash)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return list, nil
}
