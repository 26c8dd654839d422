package dashboard

import (
	"strings"
	"testing"
)

// TestParameters has each request know its own parameters, and no others.
func TestParameters(t *testing.T) {
	t.Parallel()
	s := serverOf(emptyHome{}, Options{Key: "k"})
	base := listen(t, s)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/api/tasks?host=a&status=failed&status=ok&sort=id": {200, `"total":0`},
		"/api/tasks?stauts=failed":                          {400, `no parameter \"stauts\" here, but executor, q, `},
		"/api/tasks?host=100%":                              {400, "cannot be read"},
		"/api/tasks?status=failed;limit=5":                  {400, "cannot be read"},
		"/api/tasks?hosts=a":                                {400, "did you mean host?"},
		"/api/facets?sort=id":                               {400, `no parameter \"sort\"`},
		"/api/info?x":                                       {400, `no parameter \"x\" here, nor any other`},
		"/api/tasks/019aaf3c/runs?limt=3":                   {400, "did you mean limit?"},
		"/api/tasks/019aaf3c/none?x=1":                      {404, "not-found"},
		"/api/plots/days.svg?theme=light&tz=UTC&v=1-2":      {200, "<svg"},
		"/?x=1": {200, "<html"},
	} {
		if status, body := get(t, s, base+path); status != want.status || !strings.Contains(body, want.says) {
			t.Errorf("%s: %d, %.300s", path, status, body)
		}
	}
	all, err := described()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.routes() {
		at := r.method + " " + r.path
		if _, ok := all[at]; !ok && strings.HasPrefix(r.path, "/api/") && !strings.HasSuffix(r.path, "{part}") {
			t.Errorf("the parameters of %s are not described", at)
		}
	}
}
