package worktree

import (
	"strings"
	"testing"
)

func TestPublicURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://github.com/a/b.git":                   "https://github.com/a/b.git",
		"https://github.com:8443/a/b%20c":              "https://github.com:8443/a/b%20c",
		"https://oauth2:s3cret@gitlab.com/a/b":         "https://gitlab.com/a/b",
		"https://s3cret@github.com/a/b?token=s3cret#x": "https://github.com/a/b",
		"ssh://git:s3cret@host:22/a?s3cret":            "ssh://git@host:22/a",
		"ssh://s3cret@host/a":                          "ssh://host/a",
		"git@github.com:a/b.git":                       "git@github.com:a/b.git",
		"s3cret@github.com:a/b.git":                    "github.com:a/b.git",
		"host:/srv/b":                                  "host:/srv/b",
		"/srv/git/a b.git":                             "/srv/git/a b.git",
		"../b":                                         "../b",
		"file:///srv/b":                                "file:///srv/b",
	} {
		if got := publicURL(address); got != want {
			t.Errorf("publicURL(%q) is %q, want %q", address, got, want)
		}
	}
	for _, address := range []string{
		"https://user:s3%zzcret@host/a", "http://[s3cret@host", "", "x\xff", "a\x1bs3cret", "foo::https://user:s3cret@host/x", "ext::ssh -i s3cret git@host://x",
		"user:s3cret@host:path", "https:user:s3cret@host/x", "https:/user:s3cret@host/x", "https:///user:s3cret@host/x", "//user:s3cret@host/x",
		"https://user:12/s3cret@host/x", "https://host/x;token=s3cret", "host:path?token=s3cret", "helper://s3cret/x", "https:s3cret", "ssh:s3cret@host", "https://host\\@s3cret/x",
		"/srv/x:s3cret@host", "s3://s3cret@bucket/x", "https://host/a%40s3cret:x", strings.Repeat("s3cret", 200),
	} {
		if got := publicURL(address); got != "" {
			t.Errorf("publicURL(%q) is %q", address, got)
		}
	}
}
