package odb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
	"qme/tests/require"
)

// A known object is one as git itself reads it.
type known struct {
	hash    plumbing.Hash
	kind    plumbing.ObjectType
	content []byte
}

// all asks git for every object of a repository.
func all(t testing.TB, dir string) []known {
	t.Helper()
	out := bufio.NewReader(strings.NewReader(git(t, dir, "", "cat-file", "--batch-all-objects", "--batch")))
	var objects []known
	for {
		var hash, kind string
		var size int
		if _, err := fmt.Fscanf(out, "%s %s %d\n", &hash, &kind, &size); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size+1)
		if _, err := io.ReadFull(out, b); err != nil {
			t.Fatal(err)
		}
		k, err := plumbing.ParseObjectType(kind)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, known{plumbing.NewHash(hash), k, b[:size]})
	}
}

// TestReadsWhatGitWrites compares all objects with what git reads, whichever way git
// has stored them; then Repack joins what there is, and git reads it.
func TestReadsWhatGitWrites(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	made := grown(t)
	want := all(t, made)
	for name, pack := range map[string]func(t *testing.T, dir string){
		"loose":  func(*testing.T, string) {},
		"packed": func(t *testing.T, dir string) { git(t, dir, "", "gc", "-q") },
		"long chains": func(t *testing.T, dir string) {
			git(t, dir, "", "repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=50")
		},
		"longest chains": func(t *testing.T, dir string) {
			git(t, dir, "", "repack", "-q", "-a", "-d", "-f", "--depth=4095", "--window=200")
		},
		"deltas by name": refDeltas,
		"index version 1": func(t *testing.T, dir string) {
			git(t, dir, "", "-c", "pack.indexVersion=1", "repack", "-q", "-a", "-d")
		},
		"several packs": severalPacks,
		"stored only": func(t *testing.T, dir string) {
			git(t, dir, "", "-c", "core.compression=0", "repack", "-q", "-a", "-d", "-F")
		},
		"many small packs": func(t *testing.T, dir string) {
			git(t, dir, "", "-c", "pack.packSizeLimit=1m", "repack", "-q", "-a", "-d")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "index version 1" {
				t.Skip("known gap: an index of version 1, which git has not written since 2007 unless told to, is refused")
			}
			dir := filepath.Join(t.TempDir(), "repo")
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			pack(t, dir)
			db := Open(afero.NewOsFs(), filepath.Join(dir, ".git", "objects"), Options{NoSync: true})
			defer db.Close()
			readAllOf(t, db, want)
			joinAll(t, db)
			readAllOf(t, db, want)
			if packs, err := db.Packs(); err != nil || len(packs) != 1 {
				t.Errorf("%d packs, %v", len(packs), err)
			}
			if got := git(t, dir, "", "cat-file", "--batch-all-objects", "--batch"); got != git(t, made, "", "cat-file", "--batch-all-objects", "--batch") {
				t.Error("git reads other objects")
			}
			if out := git(t, dir, "", "fsck", "--strict", "--full"); out != "" {
				t.Errorf("git fsck prints\n%s", out)
			}
		})
	}
}

// refDeltas makes a pack whose deltas name their base by its hash.
func refDeltas(t *testing.T, dir string) {
	objects := git(t, dir, "", "rev-list", "--objects", "--all")
	packDir := filepath.Join(dir, ".git", "objects", "pack", "pack")
	git(t, dir, objects, "pack-objects", "-q", "--no-reuse-delta", "--no-reuse-object", "--window=50", packDir)
	git(t, dir, "", "prune-packed", "-q")
}

// severalPacks makes packs that hold some objects more than once.
func severalPacks(t *testing.T, dir string) {
	for _, revs := range []string{"main~40", "main~20..main", "main"} {
		objects := git(t, dir, "", "rev-list", "--objects", revs)
		git(t, dir, objects, "pack-objects", "-q", "--delta-base-offset", filepath.Join(dir, ".git", "objects", "pack", "pack"))
	}
	git(t, dir, "", "prune-packed", "-q")
}

func readAllOf(t *testing.T, db *DB, want []known) {
	t.Helper()
	for _, o := range want {
		wantObject(t, db, o.hash, o.kind, o.content)
		if has, err := db.Has(o.hash); !has || err != nil {
			t.Errorf("Has %s: %v, %v", o.hash, has, err)
		}
		missing := o.hash
		missing[19] ^= 1
		if has, err := db.Has(missing); has || err != nil {
			t.Errorf("Has of what is not there: %v, %v", has, err)
		}
		if _, _, err := db.Get(missing); !errors.Is(err, ErrMissing) || !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("Get of what is not there: %v, want ErrMissing", err)
		}
	}
	seen := map[plumbing.Hash]bool{}
	if err := db.Each(context.Background(), func(h plumbing.Hash) { seen[h] = true }); err != nil || len(seen) != len(want) {
		t.Errorf("Each finds %d objects of %d, %v", len(seen), len(want), err)
	}
	verify(t, db)
	loose, err := db.Loose()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range loose {
		if err := db.VerifyLoose(h); err != nil {
			t.Errorf("VerifyLoose: %v", err)
		}
	}
}

func joinAll(t *testing.T, db *DB) {
	t.Helper()
	packs, err := db.Packs()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packs {
		names = append(names, p.Name)
	}
	loose, err := db.Loose()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Repack(context.Background(), names, loose); err != nil {
		t.Fatalf("Repack: %v", err)
	}
}
