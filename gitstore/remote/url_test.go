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
		if got := remote.Parts(r); got != tt.want || r.String() != tt.url {
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
		{"https://me:sec/ret@host/h", ""},
		{"https://me:sec?ret@host/h", ""},
		{"https://me:sec@ret@host/h", "password"},
		{"https://me%3Asecret@host/h", "user name"},
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
