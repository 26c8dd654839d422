package target

import (
	"errors"
	"strings"
	"testing"

	"qme/record"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ database, connection, want string }{
		{"filesystem", "", ""},
		{"filesystem", "u:geheim@h/d", ""},
		{"sqlite", "", "sqlite:///home/qme.db"},
		{"sqlite:///a/b%20c.db", "", "sqlite:///a/b%20c.db"},
		{"postgresql://u@h:5433/d?sslmode=require", "", "postgresql://u@h:5433/d"},
		{"postgres://u:geheim@h/d", "", "postgresql://u@h/d"},
		{"postgresql:///d?host=/run&password=geheim", "", "postgresql:///d"},
		{"mariadb://u:geheim@h/d", "", "mysql://u@h/d"},
		{"mysql", "u:geheim@h/d", "mysql://u@h/d"},
		{"mysql://other/d", "mysql://u:geheim@h/d", "mysql://u@h/d"},
	} {
		got, err := Parse(tt.database, tt.connection, "/home")
		if err != nil {
			t.Errorf("%s, %s: %v", tt.database, tt.connection, err)
			continue
		}
		if shown := ""; got != nil {
			if shown = got.String(); shown != tt.want {
				t.Errorf("%s, %s: %s, want %s", tt.database, tt.connection, shown, tt.want)
			}
		} else if tt.want != "" {
			t.Errorf("%s, %s: no mirror, want %s", tt.database, tt.connection, tt.want)
		}
	}
}

// TestSecrets: whatever is wrong with a URL, its password is not shown.
func TestSecrets(t *testing.T) {
	for _, text := range []string{
		"postgresql://u:geheim@h", "postgresql://u:gehe#im@h/d", "mysql://u:gehe/im@h/d", "mysql://u:geheim%zz@h/d",
		"oracle://u:geheim@h/d", "sqlite://u:geheim@h/d", "sqlite:geheim", "geheim", "postgresql://u:geheim@h/d/e", "postgresql://u:ge heim@h:port/d",
	} {
		_, err := Parse(text, "", "/home")
		if !errors.Is(err, record.ErrInvalid) || strings.Contains(err.Error(), "geh") || strings.Contains(err.Error(), "im@") {
			t.Errorf("%s: %v", text, err)
		}
		if shown := Public(text); strings.Contains(text, "://") && strings.Contains(shown, "geh") {
			t.Errorf("%s is shown as %s", text, shown)
		}
	}
	for _, text := range []string{"postgresql://u:geheim@h/d", "mysql://u:@h/d", "postgresql://h/d?password=geheim", "postgresql://h/d?sslpassword=geheim"} {
		if err := Check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := CheckPublic(text); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s for a file: %v", text, err)
		}
		if shown := Public(text); strings.Contains(shown, "geheim") {
			t.Errorf("%s is shown as %s", text, shown)
		}
	}
}
