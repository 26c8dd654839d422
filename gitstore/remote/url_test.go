package remote_test

import (
	"path/filepath"
	"strings"
	"testing"

	"qme/gitstore/remote"
)

func TestOpen(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ url, want string }{
		{"/srv/h.git", "file|||/srv/h.git"},
		{"./h.git", "file|||" + here + "/h.git"},
		{"h.git", "file|||" + here + "/h.git"},
		{"./a:b", "file|||" + here + "/a:b"},
		{"dir/a:b", "file|||" + here + "/dir/a:b"},
		{"file:///srv/a%20b", "file|||/srv/a b"},
		{"file://localhost/srv", "file|||/srv"},
		{"ssh://host/srv/h.git", "ssh||host|/srv/h.git"},
		{"SSH://me@host:2222/srv/h.git/", "ssh|me|host:2222|/srv/h.git"},
		{"ssh://[::1]:22/srv", "ssh||::1:22|/srv"},
		{"ssh://[::1]/srv", "ssh||::1|/srv"},
		{"ssh://host/~/h", "ssh||host|~/h"},
		{"ssh://host/~me/h", "ssh||host|~me/h"},
		{"ssh://host/a?b#c", "ssh||host|/a?b#c"},
		{"ssh+git://host/h", "ssh||host|/h"},
		{"host:h.git", "ssh||host|h.git"},
		{"me@host:/srv/h.git", "ssh|me|host|/srv/h.git"},
		{"me@host:~/h.git", "ssh|me|host|~/h.git"},
		{"host:/~me/h.git", "ssh||host|~me/h.git"},
		{"[::1]:h", "ssh||::1|h"},
		{"me@[host:23]:h", "ssh|me|host:23|h"},
		{"https://host/a/h.git", "https||host|/a/h.git"},
		{"https://me@host:8443/h/", "https|me|host:8443|/h"},
		{"https://me%40work@host/h", "https|me@work|host|/h"},
		{"http://127.0.0.1:80/h", "http||127.0.0.1:80|/h"},
		{`https://work\me@host/h`, `https|work\me|host|/h`},
		{"https://bücher.example/h", "https||bücher.example|/h"},
	}
	for _, tt := range tests {
		r, err := remote.Open(tt.url, remote.Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if got := remote.Parts(r); got != tt.want || r.String() != remote.Shown(tt.url) {
			t.Errorf("%s is %s, want %s; shown as %s", tt.url, got, tt.want, r)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct{ url, says string }{
		{"", "empty"},
		{"git://host/h", "use ssh or https"},
		{"ftp://host/h", "none of file, ssh, https and http"},
		{"ext::sh -c true", "remote helpers"},
		{"fd::17", "remote helpers"},
		{"https://me:secret@host/h", "password"},
		{"https://me:@host/h", "password"},
		{"ssh://me:secret@host/h", "password"},
		{"https:/me:secret@host/h", "password"},
		{"https:me:secret@host/h", "password"},
		{"https//me:secret@host/h", "password"},
		{"HTTPS:/me:secret@host/h", "password"},
		{"ssh:/me:secret@host/h", "password"},
		{"ssh:/me%3Asecret@host/h", "password"},
		{"me:secret@host/h", "password"},
		{"me:secret@host", "password"},
		{"me@home:secret@host/h", "password"},
		{"//me:secret@host/h", "password"},
		{"/me:secret@host/h", "password"},
		{"https://me@host/h;token=secret", "';'"},
		{"https://host/oauth2:secret@y/h", "password"},
		{"https://host/a/oauth2%3Asecret%40y/h", "password"},
		{"https://host/glpat-secret@y/h", "password"},
		{"ssh://host/oauth2:secret@y/h", "password"},
		{"ext::ssh -o secret", "remote helpers"},
		{"https://me:sec/ret@host/h", ""},
		{"https://me:sec?ret@host/h", ""},
		{"https://me:sec@ret@host/h", "password"},
		{"https://me%3Asecret@host/h", "user name"},
		{"https://secret0123456789abcdef0123456789abcdef01@host/h", "password"},
		{"https://glpat-secret@host/h", "password"},
		{"https://ATBBsecret@host/h", "password"},
		{"https://sec0ret1sec2ret3sec4ret5sec6ret7sec8ret9sec0ret1@host/h", "password"},
		{"ssh://secret0123456789abcdef0123456789abcdef01@host/h", "password"},
		{"secret0123456789abcdef0123456789abcdef01@host:h", "password"},
		{"https://secret012%33456789abcdef0123456789abcdef01@host/h", "password"},
		{"https://host/h?token=secret", "'?'"},
		{"https://host/h?token=secret@x", "'?'"},
		{"https://host:1/h?token=secret@x:y", "'?'"},
		{"https://host/h#secret", "'?'"},
		{"me:secret@host:h", "password"},
		{"ssh://-oProxyCommand=true/h", "option"},
		{"ssh://-oProxyCommand=true@host/h", "option"},
		{"-oProxyCommand=true:h", "option"},
		{"-l@host:h", "option"},
		{"host:-h", "option"},
		{"[-h:23]:h", "option"},
		{"host:", "no repository"},
		{"ssh://host", "no repository"},
		{"https://host/", "no repository"},
		{"https:///h", "no host"},
		{"ssh:///h", "no host"},
		{"https://ho st/h", "host name"},
		{"https://[host]/h", "host name"},
		{"ssh://[::1%25x]y/h", "host name"},
		{"https://host:http/h", "port"},
		{"https://host:0/h", "port"},
		{"https://host:99999/h", "port"},
		{"https://host/h?x", "'?'"},
		{"https://host/h%0ax", "control"},
		{"https://host/h%zz", "hexadecimal"},
		{"ssh://host/h\nx", "control"},
		{"/srv/\x1b[2J", "control"},
		{"file://host/h", "absolute path"},
		{"file:///%zz", "absolute path"},
	}
	for _, tt := range tests {
		r, err := remote.Open(tt.url, remote.Options{})
		if err == nil {
			t.Errorf("%q was taken for %s", tt.url, remote.Parts(r))
			continue
		}
		wants(t, err, remote.ErrURL, tt.says)
		for _, bad := range []string{"secret", "sec", "ret@", "\x1b", "ssh://host/h\n"} {
			if strings.Contains(err.Error(), bad) {
				t.Errorf("the error for %q tells %q: %v", tt.url, bad, err)
			}
		}
	}
}

// TestShown masks URLs that git may have in its configuration.
func TestShown(t *testing.T) {
	for url, want := range map[string]string{
		"https://host/h": "https://host/h", "host:h": "host:h", "me@host:h": "me@host:h", "/srv/a b": "/srv/a b", "": "",
		"https://me@host/h":                                       "https://me@host/h",
		"https://me:secret@host:1/h":                              "https://me:***@host:1/h",
		"https://me:a@b:c@host/h":                                 "https://me:***@host/h",
		"https://me%3asecret@host/h":                              "https://me:***@host/h",
		"https://abcdef0123456789abcdef0123456789abcdef01@host/h": "https://***@host/h",
		"https://host/h?token=secret":                             "https://host/h?***",
		"https://me:sec?ret@host/h":                               "https://***",
		"me:secret@host:h":                                        "me:***@host:h",
		"ssh://first.last-at-123456789012@host/h":                 "ssh://first.last-at-123456789012@host/h",
		"https://gitlab+deploy-token-1234567@host/h":              "https://gitlab+deploy-token-1234567@host/h",
		"https://reallylongusername2024x@host/h":                  "https://reallylongusername2024x@host/h",
		"/srv/what?no#url":                                        "/srv/what?no#url",
		"host:\x1b[2J":                                            `host:\x1b[2J`,
		"https:/me:secret@host/h":                                 "https:***@host/h",
		"ssh:/me:secret@host/h":                                   "ssh:***@host/h",
		"me:secret@host/h":                                        "me:***@host/h",
		"//me:secret@host/h":                                      "//me:***@host/h",
		"https://me@host/h;token=secret":                          "https://me@host/h;***",
		"https://me@host/h;a@token=secret":                        "https://***",
		"https://host/oauth2:secret@y/h":                          "https://host/oauth2:***@y/h",
		"https://host/oauth2%3asecret%40y/h":                      "https://host/oauth2:***%40y/h",
		"host:h;token=secret":                                     "host:h;***",
		"//host/h;token=secret":                                   "//host/h;***",
		"ext::ssh -o secret":                                      "ext::***",
	} {
		if got := remote.Shown(url); got != want {
			t.Errorf("%q is shown as %q, want %q", url, got, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range []string{"/x", "ssh://me@h:22/x", "me@h:x", "https://[::1]:8/x%20y", "[a:1]:b", "ext::x", "https://a:b@c/d", "ssh://[", "https://]@/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := remote.Open(s, remote.Options{})
		if err != nil {
			wants(t, err, remote.ErrURL)
			return
		}
		for part := range strings.SplitSeq(remote.Parts(r), "|") {
			if strings.HasPrefix(part, "-") || strings.ContainsAny(part, "\n\x00\x1b") {
				t.Errorf("%q has the part %q", s, part)
			}
		}
	})
}
