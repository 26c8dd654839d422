package cli

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// TestRedirect leads a browser to the address whatever characters the key has.
func TestRedirect(t *testing.T) {
	t.Parallel()
	to := "http://127.0.0.1:5000/?token=" + url.QueryEscape(`"><script>alert(1)</script>+&#%;='`)
	for _, address := range []string{to, `http://x/?a="><script>&b='`} {
		page := redirect(address)
		if strings.ContainsAny(regexp.MustCompile(`url=(.*)">$`).FindStringSubmatch(page)[1], `"<>'`) {
			t.Errorf("%s", page)
		}
	}
}
