package worktree

import (
	"path/filepath"

	"qme/gitstore/gitconfig"
)

// User returns user.name and user.email of git's configuration of the repository with the
// folder gitDir, "" where they are not set. What files include only under a condition
// (includeIf) does not count, nor does "git -c".
func User(gitDir string) (name, email string) {
	files := append([]*gitconfig.File{gitconfig.Read(filepath.Join(gitDir, "config"))}, gitconfig.Shared()...)
	find := func(key string) string {
		for _, f := range files {
			if value, ok := f.Last(key); ok {
				return value
			}
		}
		return ""
	}
	return find("user.name"), find("user.email")
}
