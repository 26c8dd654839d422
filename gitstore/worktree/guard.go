package worktree

import (
	"path/filepath"
	"slices"

	"qme/gitstore/gitconfig"
)

// A Repository is what has to be known of a repository before the git program is started in it.
type Repository struct {
	Root  string // the top of its working tree
	Index string // the file of its index
	// Filters are the drivers of filters that its own configuration names. Such a file may have
	// come in an archive with everything else, so none of them is to be run.
	Filters []string
	// Unclear says that the configuration could not be read to the end.
	Unclear bool
}

// Find returns the repository whose working tree contains dir, as State finds it, or nil.
func Find(dir string) *Repository {
	r := find(dir)
	if r == nil {
		return nil
	}
	found := &Repository{Root: r.root, Index: filepath.Join(r.gitDir, "index")}
	for _, f := range []*gitconfig.File{r.own, gitconfig.Read(filepath.Join(r.gitDir, "config.worktree"))} {
		found.Unclear = found.Unclear || f.Unclear
		for _, s := range f.Settings {
			for _, name := range []string{"clean", "smudge", "process"} {
				if driver, ok := s.In("filter", name); ok && !slices.Contains(found.Filters, driver) {
					found.Filters = append(found.Filters, driver)
				}
			}
		}
	}
	return found
}
