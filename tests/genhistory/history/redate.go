package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/odb"
	"qme/record"
)

var signature = regexp.MustCompile(`(?m)^((?:author|committer) .*>) \d+ [-+]\d{4}$`)

// redate gives the only commit of a new history the date Begin. The store dates
// it by the clock; then no two histories would be equal, as a rerun's record
// names a commit.
func redate(dir string) error {
	branch := filepath.Join(dir, "refs", "heads", "main")
	name, err := os.ReadFile(branch)
	if err != nil {
		return err
	}
	db := odb.Open(afero.NewOsFs(), filepath.Join(dir, "objects"), odb.Options{NoSync: true})
	next, err := rewrite(db, plumbing.NewHash(strings.TrimSpace(string(name))))
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	return os.WriteFile(branch, []byte(next.String()+"\n"), 0o644)
}

// rewrite replaces the one pack of a new history by one with the new commit.
func rewrite(db *odb.DB, head plumbing.Hash) (plumbing.Hash, error) {
	packs, err := db.Packs()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	w := db.NewWriter()
	var next plumbing.Hash
	var errs []error
	err = db.Each(context.Background(), func(h plumbing.Hash) {
		kind, content, err := db.Get(h)
		errs = append(errs, err)
		content = bytes.Clone(content)
		if h == head {
			date := fmt.Sprintf("$1 %d %s", Begin.Unix(), Begin.Format("-0700"))
			next = w.Add(kind, signature.ReplaceAll(content, []byte(date)), "")
		} else {
			w.Add(kind, content, "")
		}
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		return next, err
	}
	if len(packs) != 1 || next.IsZero() {
		return next, fmt.Errorf("a new history has %d packs, not 1 with its commit: %w", len(packs), record.ErrInvalid)
	}
	if _, err := w.Flush(); err != nil {
		return next, err
	}
	return next, db.Discard(packs[0].Name)
}
