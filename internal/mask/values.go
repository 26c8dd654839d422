package mask

import (
	"os"
	"slices"
	"strings"
)

// shortest is the number of bytes below which a value is not looked for: shorter ones occur by
// chance.
const shortest = 8

// ordinary are values that are no secrets even under the name of one.
var ordinary = []string{"password", "postgres", "changeme", "disabled", "required", "optional", "localhost", "undefined", "anonymous"}

// plainVariables hold what is no secret; a secret that equals one of them is none.
var plainVariables = []string{"HOME", "USER", "LOGNAME", "PWD", "OLDPWD", "HOSTNAME", "HOST", "SHELL", "TERM", "LANG", "TMPDIR"}

// A judge decides whether a value is worth looking for.
type judge struct {
	home  string
	plain []string
	roots []string // the entries of /, once they are needed
}

func newJudge(environ []string) *judge {
	j := new(judge)
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if value == "" || !slices.Contains(plainVariables, name) {
			continue
		}
		j.plain = append(j.plain, value)
		if name == "HOME" {
			j.home = value
		}
	}
	return j
}

// secret reports whether a value, without blanks around it, can be looked for.
func (j *judge) secret(value string) bool {
	return len(value) >= shortest && strings.Trim(value, value[:1]) != "" &&
		!slices.Contains(ordinary, strings.ToLower(value)) && !slices.Contains(j.plain, value) && !j.isPath(value)
}

// isPath reports whether a value is a path below the user's home or an existing folder of the
// root directory. The path itself is not looked up, since a file server may not respond.
func (j *judge) isPath(value string) bool {
	if strings.HasPrefix(value, "~/") || len(j.home) > 1 && strings.HasPrefix(value, strings.TrimRight(j.home, "/")+"/") {
		return true
	}
	first, more, deep := strings.Cut(strings.TrimPrefix(value, "/"), "/")
	if !strings.HasPrefix(value, "/") || !deep || more == "" {
		return false
	}
	if j.roots == nil {
		j.roots = []string{""}
		entries, err := os.ReadDir("/")
		if err != nil {
			return false // masked: it could be a secret
		}
		for _, e := range entries {
			j.roots = append(j.roots, e.Name())
		}
	}
	return first != "" && slices.Contains(j.roots, first)
}
