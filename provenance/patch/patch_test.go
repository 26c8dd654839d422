package patch_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/provenance/patch"
	"qme/record"
	"qme/tests/require"
)

// repository makes a repository with a file, and returns it with its commit.
func repository(t *testing.T) (dir, commit string) {
	t.Helper()
	require.Component(t, "git")
	dir = filepath.Join(t.TempDir(), "repo")
	run(t, "", "init", "-q", dir)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("1\n2\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "add", ".")
	run(t, dir, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first")
	return dir, strings.TrimSpace(run(t, dir, "rev-parse", "HEAD"))
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestHostile has differences of somebody else that would write where they must not.
func TestHostile(t *testing.T) {
	t.Parallel()
	dir, commit := repository(t)
	outside := filepath.Join(filepath.Dir(dir), "outside")
	file := func(header, name string) string {
		return header + "--- /dev/null\n+++ " + name + "\n@@ -0,0 +1 @@\n+content\n"
	}
	added := func(name string) string {
		return file("diff --git a/"+name+" b/"+name+"\nnew file mode 100644\n", "b/"+name)
	}
	link := func(name, to string) string {
		return "diff --git a/" + name + " b/" + name + "\nnew file mode 120000\n--- /dev/null\n+++ b/" + name + "\n@@ -0,0 +1 @@\n+" + to + "\n\\ No newline at end of file\n"
	}
	for name, diff := range map[string]string{
		"hook":                 added(".git/hooks/post-checkout"),
		"hook in capitals":     added(".GIT/hooks/post-checkout"),
		"hook of a subfolder":  added("sub/.git/config"),
		"short name":           added("git~1/config"),
		"parent":               added("../outside"),
		"absolute":             file("diff --git a/x b/x\nnew file mode 100644\n", outside),
		"without header":       file("", "b/../outside"),
		"behind a link":        link("link", filepath.Dir(dir)) + added("link/outside"),
		"behind a hidden link": "diff --git a/link b/link\nnew file mode 120000 \n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+" + filepath.Dir(dir) + "\n\\ No newline at end of file\n" + added("link/outside"),
		"quoted":               file("diff --git \"a/\\056git/hooks/x\" \"b/\\056git/hooks/x\"\nnew file mode 100644\n", "\"b/\\056git/hooks/x\""),
		"renamed to a hook":    "diff --git a/file b/.git/hooks/x\nsimilarity index 100%\nrename from file\nrename to .git/hooks/x\n",
		"copied outside":       "diff --git a/file b/../outside\nsimilarity index 100%\ncopy from file\ncopy to ../outside\n",
		"deleted config":       "diff --git a/.git b/.git\ndeleted file mode 100644\n--- a/.git\n+++ /dev/null\n@@ -1 +0,0 @@\n-gitdir: x\n",
		"zero width joiner":    added(".g\u200cit/config"),
		"dot at the end":       added(".git./config"),
		"stream":               added(".git::$INDEX_ALLOCATION/config"),
		"type change":          "diff --git a/file b/file\nold mode 100644\nnew mode 120000\n" + added("file/outside"),
		"does not fit":         "diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-nothing\n+something\n",
		"no difference":        "content\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := filepath.Join(t.TempDir(), "to")
			_, err := patch.Checkout(context.Background(), patch.Tree{Root: dir}, to, &patch.Patch{Commit: commit, Diff: []byte(diff)}, 10)
			if _, serr := os.Lstat(outside); serr == nil {
				t.Fatal("it wrote outside")
			}
			if strings.HasPrefix(name, "behind") && err == nil { // without the link it is a folder of the new tree
				if info, serr := os.Lstat(filepath.Join(to, "link")); serr != nil || info.Mode()&os.ModeSymlink != 0 {
					t.Errorf("the link was made: %v", serr)
				}
				return
			}
			if !errors.Is(err, record.ErrInvalid) {
				t.Errorf("Checkout: %v", err)
			}
			if _, serr := os.Lstat(to); serr == nil {
				t.Errorf("the folder is left: %v", err)
			}
		})
	}
}

// TestNames has other texts in place of a commit, which must never be options of git.
func TestNames(t *testing.T) {
	dir, commit := repository(t)
	for _, name := range []string{"", "HEAD", "--upload-pack=touch x", strings.ToUpper(commit), commit[:39], commit + "\n"} {
		if _, err := patch.Checkout(context.Background(), patch.Tree{Root: dir}, filepath.Join(t.TempDir(), "to"), &patch.Patch{Commit: name}, 10); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("commit %q: %v", name, err)
		}
	}
	var missing *patch.CommitError
	if _, err := patch.Checkout(context.Background(), patch.Tree{Root: dir}, filepath.Join(t.TempDir(), "to"), &patch.Patch{Commit: strings.Repeat("1", 40)}, 10); !errors.As(err, &missing) || !errors.Is(err, record.ErrConflict) {
		t.Errorf("a commit that is not there: %v", err)
	}
	to := filepath.Join(t.TempDir(), "-to")
	t.Chdir(filepath.Dir(to))
	if _, err := patch.Checkout(context.Background(), patch.Tree{Root: dir}, to, &patch.Patch{Commit: commit}, 10); err != nil {
		t.Errorf("a folder with a dash: %v", err)
	}
}

// FuzzDecode has parts of other people.
func FuzzDecode(f *testing.F) {
	commit := strings.Repeat("0", 40)
	f.Add([]byte("commit " + commit + "\nuntracked {\"path\":\"a b\",\"size\":3}\nmore 7\n\ndiff --git a/x b/x\n"))
	f.Add([]byte("commit " + commit + "\n\n"))
	f.Add([]byte("commit " + commit + "\nsubmodule {\"path\":\"a b\"}\n\n"))
	f.Add([]byte("commit " + commit + "\nmore -1\n\n"))
	f.Fuzz(func(t *testing.T, part []byte) {
		p, err := patch.Decode(part)
		if err != nil {
			if !errors.Is(err, record.ErrInvalid) {
				t.Errorf("Decode: %v", err)
			}
			return
		}
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := patch.Decode(b)
		if err != nil || again.Commit != p.Commit || string(again.Diff) != string(p.Diff) || len(again.Untracked) != len(p.Untracked) || again.More != p.More || !slices.Equal(again.Submodules, p.Submodules) {
			t.Errorf("%q became %q: %v", part, b, err)
		}
	})
}
