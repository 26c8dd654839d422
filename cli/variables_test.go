package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"qme/cli/config"
)

// TestVariablesAreKnown reads the program's source: each variable that it names is in the
// one list that says which are secret.
func TestVariablesAreKnown(t *testing.T) {
	t.Parallel()
	literal := regexp.MustCompile(`"(QME_[A-Z0-9_]+)"`)
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "tests" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllStringSubmatch(string(b), -1) {
			if found++; !isKnown(m[1]) {
				t.Errorf("%s reads %s, which is not in the list of variables", path, m[1])
			}
		}
		return nil
	})
	if err != nil || found < 5 {
		t.Errorf("%d names were found: %v", found, err)
	}
}

// TestSecretsAreNotRecorded sets each variable that qme reads, and some that it nearly does.
func TestSecretsAreNotRecorded(t *testing.T) {
	t.Parallel()
	secret := []string{"QME_TOKEN", "QME_SERVER_KEY", "QME_DATABASE", "QME_DATABASE_STRING"}
	var environ []string
	for _, v := range append(config.Variables(), ownVariables...) {
		if v.Secret != slices.Contains(secret, v.Name) {
			t.Errorf("%s is secret: %v", v.Name, v.Secret)
		}
		environ = append(environ, v.Name+"=s3cret")
	}
	environ = append(environ, "QME_TOKEM=s3cret", "qme_token=s3cret", "QME_OF_MY_OWN=1", "OTHER=1")
	for _, patterns := range [][]string{{"*"}, {"QME_*"}, {"QME_*", "*"}, {"[Q]ME_*"}, {"?ME_*"}, {"QME_TOKEN", "QME_SERVER_KEY", "QME_DATABASE", "QME_DATABASE_STRING"}, {"*_TOKEN", "*KEY*", "*DATABASE*"}} {
		for _, kv := range allowedEnv(environ, patterns) {
			name, _, _ := strings.Cut(kv, "=")
			if slices.Contains(secret, name) || name == "QME_TOKEM" || name == "qme_token" {
				t.Errorf("%v allows %s", patterns, name)
			}
		}
	}
	if got := allowedEnv(environ, []string{"QME_OF*", "QME_OF_MY_OWN", "QME_HOME", "O*"}); !slices.Equal(got, []string{"QME_HOME=s3cret", "QME_OF_MY_OWN=1", "OTHER=1"}) {
		t.Errorf("allowed: %v", got)
	}
}
