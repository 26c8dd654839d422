package gitstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/config"
	"github.com/spf13/afero"

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
	b, err := afero.ReadFile(s.fs, filepath.Join(s.dir, "config"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if !bytes.Contains(bytes.ToLower(b), []byte("extensions")) && !bytes.Contains(bytes.ToLower(b), []byte("repositoryformatversion")) {
		return nil
	}
	cfg := config.New()
	if err := config.NewDecoder(bytes.NewReader(b)).Decode(cfg); err != nil {
		return nil //nolint:nilerror // git says so, and it is read again where it matters
	}
	version := strings.TrimSpace(cfg.Section("core").Option("repositoryformatversion"))
	if version != "" && version != "0" && version != "1" {
		return s.unreadable("has the format version " + version + " of git's")
	}
	for _, o := range cfg.Section("extensions").Options {
		values, known := supported[strings.ToLower(o.Key)]
		if !known && version != "1" {
			continue // as in git, which looks at what it knows alone
		}
		fits := len(values) == 0
		for _, v := range values {
			fits = fits || strings.EqualFold(o.Value, v)
		}
		if !known || !fits {
			return s.unreadable(fmt.Sprintf("uses git's extension %.40q with the value %.40q", o.Key, o.Value))
		}
	}
	return nil
}

func (s *Store) unreadable(what string) error {
	return &odb.LayoutError{What: s.dir + " " + what + ", which is not supported here",
		Way: "A repository with objects named by SHA-1 (--object-format=sha1) and references in files (--ref-format=files) is: move this one away and clone it so, with \"git clone --mirror\"."}
}
