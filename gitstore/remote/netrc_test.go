package remote

import "testing"

func TestNetrc(t *testing.T) {
	const file = `# machine host login commented password out
machine other login o password p
machine HOST
	login "first user"
	password "a \"b\" c"
macdef init
machine host login macro password macro

machine host login second account x password s#2
machine last password only
default login anonymous password guest
`
	tests := []struct{ file, host, user, want string }{
		{file, "host", "", `first user/a "b" c`},
		{file, "host", "second", "second/s#2"},
		{file, "host", "anonymous", "anonymous/guest"},
		{file, "host", "nobody", "-"},
		{file, "last", "", "/only"},
		{file, "last", "me", "me/only"},
		{file, "none", "", "anonymous/guest"},
		{"machine host login a password b", "ost", "", "-"},
		{"machine", "host", "", "-"},
		{"machine host login", "host", "", "/"},
		{`machine host password "open`, "host", "", "/open"},
		{"default", "host", "", "/"},
		{"", "host", "", "-"},
	}
	for _, tt := range tests {
		got := "-"
		if c := findNetrc(tt.file, tt.host, tt.user); c != nil {
			got = c.user + "/" + c.password
		}
		if got != tt.want {
			t.Errorf("%s@%s in %.30q: %s, want %s", tt.user, tt.host, tt.file, got, tt.want)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine h login a password \"b\\\"\"\nmacdef x\n\ndefault login", "h")
	f.Fuzz(func(_ *testing.T, file, host string) { findNetrc(file, host, "") })
}
