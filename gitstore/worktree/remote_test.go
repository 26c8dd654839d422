package worktree

import "testing"

func TestPublicURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://github.com/a/b.git":                   "https://github.com/a/b.git",
		"https://oauth2:s3cret@gitlab.com/a/b":         "https://gitlab.com/a/b",
		"https://s3cret@github.com/a/b?token=s3cret#x": "https://github.com/a/b",
		"ssh://git:s3cret@host:22/a?s3cret":            "ssh://git@host:22/a",
		"git@github.com:a/b.git":                       "git@github.com:a/b.git",
		"/srv/git/a b.git":                             "/srv/git/a b.git",
		"../b":                                         "../b",
		"file:///srv/b":                                "file:///srv/b",
		"https://user:s3%zzcret@host/a":                "",
		"http://[s3cret@host":                          "",
		"":                                             "",
		"x\xff":                                        "",
	} {
		if got := publicURL(address); got != want {
			t.Errorf("publicURL(%q) is %q, want %q", address, got, want)
		}
	}
}
