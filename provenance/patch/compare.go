package patch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"qme/internal/program"
)

// comparing is how long git may take for all of a comparison.
const comparing = 20 * time.Second

// A Change is how the tracked files of two working trees differ.
type Change struct {
	Files []string // below the top, sorted
	// Diff is what git prints of the difference, without the content of binary files; nil if it is longer
	// than was wanted.
	Diff []byte
}

// Compare returns how the tracked files of two working trees of a repository differ, each given as its
// commit and its difference from that; most bounds the bytes of Change.Diff. It starts the git program, as
// Take does, and makes the trees in a temporary folder: nothing is written to the repository. The error says
// what is missing.
func Compare(ctx context.Context, tree Tree, a, b *Patch, most int64) (*Change, error) {
	ctx, cancel := context.WithTimeout(ctx, comparing)
	defer cancel()
	dir, err := os.MkdirTemp("", "qme-diff-")
	if err != nil {
		return nil, err
	}
	c, err := (&weighing{ctx: ctx, tree: tree, dir: dir}).compare(a, b, most)
	return c, errors.Join(err, os.RemoveAll(dir))
}

func (w *weighing) compare(a, b *Patch, most int64) (c *Change, err error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	var names [2]string
	for i, p := range []*Patch{a, b} {
		if names[i], err = w.whole(fmt.Sprintf("index%d", i), p); err != nil {
			return nil, err
		}
	}
	out, err := w.git(nil, longestDiffering, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", names[0], names[1])
	if err != nil {
		return nil, err
	}
	c = &Change{Files: namesOf(out)}
	if most <= 0 {
		return c, nil
	}
	c.Diff, err = w.git(nil, int(most), "diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--end-of-options", names[0], names[1])
	if errors.Is(err, errFull) {
		return c, nil
	}
	return c, err
}

// errFull says that git printed more than was wanted.
var errFull = errors.New("git prints too much")

// A weighing makes trees of a repository in a folder of its own.
type weighing struct {
	ctx  context.Context
	tree Tree
	dir  string
	env  []string
}

// begin finds the objects of the repository, which are read, and the folder to which others are written.
func (w *weighing) begin() error {
	out, err := w.git(nil, 1<<16, "rev-parse", "--path-format=absolute", "--git-path", "objects")
	if err != nil {
		return err
	}
	objects := strings.TrimSuffix(string(out), "\n")
	if strings.ContainsAny(objects, ":\"\n") {
		return fmt.Errorf("the folder of its objects cannot be given to git: %q", objects)
	}
	own := filepath.Join(w.dir, "objects")
	w.env = []string{"GIT_OBJECT_DIRECTORY=" + own, "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + objects}
	return os.Mkdir(own, 0o700)
}

// whole returns the name of the tree of a commit with a difference.
func (w *weighing) whole(index string, p *Patch) (string, error) {
	if !isCommit(p.Commit) {
		return "", fmt.Errorf("%.60q is no commit", p.Commit)
	}
	own := &weighing{w.ctx, w.tree, w.dir, append(w.env[:len(w.env):len(w.env)], "GIT_INDEX_FILE="+filepath.Join(w.dir, index))}
	if _, err := own.git(nil, 1<<10, "read-tree", "--end-of-options", p.Commit+"^{tree}"); err != nil {
		return "", err
	}
	if len(p.Diff) > 0 {
		if _, err := own.git(p.Diff, 1<<10, "apply", "--cached", "--binary", "--whitespace=nowarn"); err != nil {
			return "", err
		}
	}
	out, err := own.git(nil, 1<<10, "write-tree")
	return strings.TrimSpace(string(out)), err
}

// git returns what git prints, given input; errFull if that is more than most bytes.
func (w *weighing) git(input []byte, most int, args ...string) ([]byte, error) {
	cmd := git(w.ctx, w.tree.Root, w.tree.options(), args...)
	cmd.Env = append(cmd.Env, w.env...)
	out, errs := &program.Buffer{Most: most}, &program.Buffer{Most: 1 << 10}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), out, errs
	err := cmd.Run()
	switch {
	case w.ctx.Err() != nil:
		return nil, errors.New("git has not answered in time")
	case out.Full():
		return nil, errFull
	case err != nil:
		line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(errs.Bytes()), "\uFFFD")), "\n")
		return nil, fmt.Errorf("git: %w: %s", err, line)
	}
	return out.Bytes(), nil
}
