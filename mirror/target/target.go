// Package target parses the location of a mirror: a sqlite file or a database server. Its
// errors and texts never contain a password or a part of one.
package target

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"qme/record"
)

// A Kind is a kind of database.
type Kind string

// The values of Kind.
const (
	SQLite   Kind = "sqlite"
	Postgres Kind = "postgresql"
	MySQL    Kind = "mysql"
)

// None is the setting for no mirror.
const None = "filesystem"

// ConnectionVariable is the environment variable with the address of a server that the
// setting omits entirely or in part.
const ConnectionVariable = "QME_DATABASE_STRING"

// FileName is the name of the sqlite mirror in a home.
const FileName = "qme.db"

// A Target is one database.
type Target struct {
	Kind Kind
	// Path is the absolute path of the sqlite file.
	Path string
	// Own says that the file belongs to one home and may be deleted if it is damaged.
	Own bool
	// URL is the address of a server. It may contain a password, so it must not be shown.
	URL *url.URL
}

const choices = `filesystem (no mirror), sqlite, sqlite:///PATH, postgresql://USER@HOST/NAME or mysql://USER@HOST/NAME`

var errForm = fmt.Errorf("%w: a database is %s; in a URL, characters such as @ : / # ? %% that are part of a name are written as %%40 and the like", record.ErrInvalid, choices)

// Parse parses the setting "database" and the value of ConnectionVariable, which is a
// whole URL or the part after "://". home is the absolute path of the home. It returns
// nil for no mirror. The error wraps record.ErrInvalid.
func Parse(database, connection, home string) (*Target, error) {
	if database == "" || database == None {
		return nil, nil
	}
	scheme, _, isURL := strings.Cut(database, "://")
	kind, err := kindOf(scheme)
	if err != nil {
		return nil, err
	}
	switch {
	case connection != "" && strings.Contains(connection, "://"):
		database = connection
	case connection != "":
		database = string(kind) + "://" + connection
	case !isURL && kind == SQLite:
		return OwnFile(home), nil
	case !isURL:
		return nil, fmt.Errorf("%w: %s needs to know how to reach the server: write %s://USER@HOST/NAME, or set %s to it", record.ErrInvalid, kind, kind, ConnectionVariable)
	}
	t, err := parseURL(database)
	if err == nil && t.Kind != kind {
		return nil, fmt.Errorf("%w: the database is set to %s, and %s is for %s", record.ErrInvalid, kind, ConnectionVariable, t.Kind)
	}
	return t, err
}

// OwnFile returns the sqlite file of a home.
func OwnFile(home string) *Target {
	return &Target{Kind: SQLite, Path: filepath.Join(home, FileName), Own: true}
}

func kindOf(scheme string) (Kind, error) {
	switch scheme {
	case "sqlite":
		return SQLite, nil
	case "postgresql", "postgres":
		return Postgres, nil
	case "mysql", "mariadb":
		return MySQL, nil
	}
	return "", errForm
}

func parseURL(text string) (*Target, error) {
	scheme, _, _ := strings.Cut(text, "://")
	kind, err := kindOf(scheme)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" {
		return nil, errForm // url.Parse's error quotes the whole text
	}
	if kind == SQLite {
		return fileOf(u)
	}
	if strings.Trim(u.Path, "/") == "" || strings.Count(u.Path, "/") != 1 {
		return nil, fmt.Errorf("%w: the URL of a %s database ends with the name of the database: %s://USER@HOST/NAME", record.ErrInvalid, kind, kind)
	}
	return &Target{Kind: kind, URL: u}, nil
}

func fileOf(u *url.URL) (*Target, error) {
	if u.Host != "" || !filepath.IsAbs(u.Path) || strings.HasSuffix(u.Path, "/") || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("%w: the URL of a sqlite database is sqlite:///PATH with an absolute path and nothing else", record.ErrInvalid)
	}
	return &Target{Kind: SQLite, Path: filepath.Clean(u.Path)}, nil
}

// secrets are the parameters of a URL with secret values.
var secrets = []string{"password", "sslpassword"}

// Check reports whether text is valid for the setting "database". The error wraps
// record.ErrInvalid.
func Check(text string) error {
	_, err := Parse(text, "", "/")
	if kind, kerr := kindOf(text); kerr == nil && kind != SQLite {
		return nil // the address is in ConnectionVariable
	}
	return err
}

// CheckPublic is Check for a file that others may read: it also rejects a password.
func CheckPublic(text string) error {
	if err := Check(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil
	}
	_, has := u.User.Password()
	query := u.Query()
	if has || slices.ContainsFunc(secrets, query.Has) {
		return fmt.Errorf("%w: the URL holds a password, which does not belong in a file: leave it out here, and set the variable %s to the whole URL", record.ErrInvalid, ConnectionVariable)
	}
	return nil
}

// Public returns the setting without anything that may be a password.
func Public(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	t, err := parseURL(text)
	if err != nil {
		return "(not shown: it may hold a password)"
	}
	return t.String()
}

// String returns the target for display, without password and parameters.
func (t *Target) String() string {
	if t.Kind == SQLite {
		return (&url.URL{Scheme: string(SQLite), Path: t.Path}).String()
	}
	shown := url.URL{Scheme: string(t.Kind), Host: t.URL.Host, Path: t.URL.Path}
	if name := t.URL.User.Username(); name != "" {
		shown.User = url.User(name)
	}
	return shown.String()
}
