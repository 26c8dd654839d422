package patch_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/provenance/patch"
)

// TestCompareHostile compares trees with differences, and commits, of somebody else: nothing is written
// anywhere, neither beside the repository nor to its objects.
func TestCompareHostile(t *testing.T) {
	t.Parallel()
	dir, commit := repository(t)
	written := filepath.Join(filepath.Dir(dir), "written")
	added := func(name string) []byte {
		return []byte("diff --git a/" + name + " b/" + name + "\nnew file mode 100644\n--- /dev/null\n+++ b/" + name + "\n@@ -0,0 +1 @@\n+content\n")
	}
	before := run(t, dir, "count-objects", "-v")
	for name, p := range map[string]*patch.Patch{
		"above":                 {Commit: commit, Diff: added("../written")},
		"absolute":              {Commit: commit, Diff: added(written)},
		"hook":                  {Commit: commit, Diff: added(".git/hooks/post-checkout")},
		"no difference":         {Commit: commit, Diff: []byte("diff --git a/file b/file\n@@ garbage\n")},
		"an option":             {Commit: "--output=" + written},
		"a commit that is gone": {Commit: strings.Repeat("0123456789", 4)},
	} {
		if c, err := patch.Compare(t.Context(), patch.Tree{Root: dir}, &patch.Patch{Commit: commit}, p, 1<<20); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	c, err := patch.Compare(t.Context(), patch.Tree{Root: dir}, &patch.Patch{Commit: commit}, &patch.Patch{Commit: commit, Diff: added("more")}, 1<<20)
	if err != nil || !slices.Equal(c.Files, []string{"more"}) || !strings.HasSuffix(string(c.Diff), "+content\n") {
		t.Errorf("a file more: %+v, %v", c, err)
	}
	if c, err = patch.Compare(t.Context(), patch.Tree{Root: dir}, &patch.Patch{Commit: commit}, &patch.Patch{Commit: commit, Diff: added("more")}, 10); err != nil || c.Diff != nil {
		t.Errorf("a difference that is too long: %+v, %v", c, err)
	}
	if after := run(t, dir, "count-objects", "-v"); after != before {
		t.Errorf("objects were written:\n%s", after)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("beside the repository there are %v, %v", entries, err)
	}
}
