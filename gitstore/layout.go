package gitstore

import (
	"fmt"
	"strings"

	"qme/gitstore/gitconfig"
	"qme/gitstore/odb"
)

// supported are the extensions of the format of a repository (git-config(1),
// "extensions.*") that change nothing here, with the values that do so; none: any.
var supported = map[string][]string{
	"noop":              nil,
	"preciousobjects":   nil,
	"objectformat":      {"sha1"},
	"refstorage":        {"files"},
	"worktreeconfig":    nil,
	"relativeworktrees": nil,
}

// readable says why a repository is not one that can be read here, as git refuses one
// whose format it does not know (gitrepository-layout(5), "REPOSITORY FORMAT VERSION").
func (s *Store) readable() error {
	b, err := s.configText()
	if err != nil {
		return err
	}
	settings, err := gitconfig.Parse(string(b))
	if err != nil {
		return nil //nolint:nilerror // git says so, and it is read again where it matters
	}
	version := ""
	for _, set := range settings {
		if set.Key == "core.repositoryformatversion" {
			version = strings.TrimSpace(set.Value)
		}
	}
	if version != "" && version != "0" && version != "1" {
		return s.unreadable("has the format version " + version + " of git's")
	}
	for _, set := range settings {
		name, ok := strings.CutPrefix(set.Key, "extensions.")
		values, known := supported[name]
		if !ok || !known && version != "1" {
			continue // as in git, which looks only at those that it knows
		}
		fits := len(values) == 0
		for _, v := range values {
			fits = fits || strings.EqualFold(set.Value, v)
		}
		if !known || !fits {
			return s.unreadable(fmt.Sprintf("uses git's extension %.40q with the value %.40q", name, set.Value))
		}
	}
	return nil
}

func (s *Store) unreadable(what string) error {
	return &odb.LayoutError{What: s.dir + " " + what + ", which is not supported here",
		Way: "A repository with objects named by SHA-1 (--object-format=sha1) and references in files (--ref-format=files) is: move this one away and clone it so, with \"git clone --mirror\"."}
}
