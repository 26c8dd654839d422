package patch

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// A Commit is one commit, for people.
type Commit struct {
	Name    string `json:"commit"`
	Subject string `json:"subject"`
}

// Commits are what lies between two commits of a repository.
type Commits struct {
	Added   []Commit // that only the second one has, latest first
	Removed []Commit // that only the first one has
	// MoreAdded and MoreRemoved are how many more there are.
	MoreAdded, MoreRemoved int
	Files                  []string // that differ, below the top
}

// longestCommits bounds what git says of commits, in bytes.
const longestCommits = 1 << 20

// CommitsBetween returns what lies between two commits in the repository of a working tree, at most most
// commits on each side. It starts the git program, as Take does. The error says that a commit is not there,
// or that git failed.
func CommitsBetween(ctx context.Context, tree Tree, from, to string, most int) (*Commits, error) {
	for _, name := range []string{from, to} {
		if !isCommit(name) {
			return nil, fmt.Errorf("%.60q is no commit", name)
		}
	}
	c := &Commits{}
	for _, side := range []struct {
		since, until string
		list         *[]Commit
		more         *int
	}{{from, to, &c.Added, &c.MoreAdded}, {to, from, &c.Removed, &c.MoreRemoved}} {
		out, err := output(ctx, tree.Root, tree.options(), longestCommits, "log", "--no-show-signature", "--format=%H%x00%s%x00", "--max-count="+strconv.Itoa(most), "--end-of-options", "^"+side.since, side.until, "--")
		if err != nil {
			return nil, err
		}
		fields := strings.Split(string(out), "\x00")
		for i := 0; i+1 < len(fields); i += 2 {
			*side.list = append(*side.list, Commit{strings.TrimSpace(fields[i]), strings.ToValidUTF8(fields[i+1], "\uFFFD")})
		}
		if len(*side.list) < most {
			continue
		}
		out, err = output(ctx, tree.Root, tree.options(), longestCommits, "rev-list", "--count", "--end-of-options", "^"+side.since, side.until, "--")
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			return nil, fmt.Errorf("git: %w", err)
		}
		*side.more = n - len(*side.list)
	}
	out, err := output(ctx, tree.Root, tree.options(), longestDiffering, "diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", "--no-renames", "--end-of-options", from, to, "--")
	if err != nil {
		return nil, err
	}
	c.Files = namesOf(out)
	return c, nil
}
