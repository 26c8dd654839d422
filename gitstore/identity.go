package gitstore

import (
	"cmp"
	"os"
	"strings"
	"sync"

	"qme/gitstore/worktree"
	"qme/internal/account"
)

// An Identity is the author and committer of commits.
type Identity struct{ Name, Email string }

// Identity returns the committer: Options.Identity, completed as git does from its
// variables, the configuration of the repository and of the user, else from the login name.
func (s *Store) Identity() Identity {
	id := s.opts.Identity
	if id.Name == "" || id.Email == "" {
		found := detectIdentity(s.dir)
		id.Name, id.Email = cmp.Or(id.Name, found.Name), cmp.Or(id.Email, found.Email)
	}
	clean := strings.NewReplacer("<", "", ">", "", "\n", " ", "\x00", "")
	return Identity{strings.TrimSpace(clean.Replace(id.Name)), strings.TrimSpace(clean.Replace(id.Email))}
}

var (
	identities  = map[string]Identity{}
	identitiesM sync.Mutex
)

func detectIdentity(dir string) Identity {
	identitiesM.Lock()
	defer identitiesM.Unlock()
	if id, ok := identities[dir]; ok {
		return id
	}
	id := Identity{os.Getenv("GIT_AUTHOR_NAME"), os.Getenv("GIT_AUTHOR_EMAIL")}
	if id.Name == "" || id.Email == "" {
		name, email := worktree.User(dir)
		id.Name, id.Email = cmp.Or(id.Name, name), cmp.Or(id.Email, email)
	}
	login := account.Login()
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	id.Name, id.Email = cmp.Or(id.Name, login), cmp.Or(id.Email, login+"@"+host)
	identities[dir] = id
	return id
}
