package worktree

import (
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitconfig"
)

// submodule answers whether a submodule is on another commit than the index
// says, or has changes of its own. It spends from the same budget.
func (f *fileCheck) submodule(e *entry) answer {
	if f.depth == maxSubmoduleDepth {
		return unknown
	}
	sub, found := openRepo(filepath.Join(f.repo.root, e.name))
	if !found {
		return no // not checked out, which is no change
	}
	if sub == nil {
		return unknown
	}
	head := sub.head()
	if !head.known || head.commit == "" {
		return unknown
	}
	differs := yes
	if len(head.commit) == sha1Hex && plumbing.NewHash(head.commit) == e.hash {
		f.depth++
		differs = f.dirty(sub, head)
		f.depth--
		if differs == yes && f.depth == 0 {
			f.check.submodule = e.name
		}
	}
	if differs == yes && f.mayIgnoreSubmodules() {
		return unknown
	}
	return differs
}

// mayIgnoreSubmodules reports whether the user has told git not to look at some
// of the changes in submodules.
func (r *repo) mayIgnoreSubmodules() bool {
	if value, known := r.setting("diff.ignoresubmodules"); !known || value != "" {
		return true
	}
	modules := gitconfig.Read(filepath.Join(r.root, ".gitmodules"))
	for _, f := range append([]*gitconfig.File{modules, r.own}, r.shared()...) {
		if f.Unclear {
			return true
		}
		for _, v := range f.Settings {
			if strings.HasPrefix(v.Key, "submodule.") && strings.HasSuffix(v.Key, ".ignore") {
				return true
			}
		}
	}
	return false
}
