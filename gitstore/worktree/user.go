package worktree

import "path/filepath"

// User returns what git's configuration of the repository with the folder gitDir
// says of user.name and user.email, "" for what it does not say. What files
// include only under a condition (includeIf) does not count, nor does "git -c".
func User(gitDir string) (name, email string) {
	r := &repo{gitDir: gitDir}
	files := append([]*configFile{readConfig(filepath.Join(gitDir, "config"))}, r.shared()...)
	find := func(key string) string {
		for _, f := range files {
			for i := len(f.vars) - 1; i >= 0; i-- {
				if v := f.vars[i]; v.key == key && !v.maybe {
					return v.value
				}
			}
		}
		return ""
	}
	return find("user.name"), find("user.email")
}
