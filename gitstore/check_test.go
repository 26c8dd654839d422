package gitstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
)

// A store that has listed the packs checks one that came since.
func TestCheckSkipsNewPacks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	history(t, dir, 1)
	s := openStore(t, afero.NewOsFs(), dir, nil)
	if _, err := s.Get("", idAt("shell", epoch, 99)); !errors.Is(err, record.ErrNotFound) { // lists the packs
		t.Fatal(err)
	}
	before := packs(t, dir)
	other := openStore(t, afero.NewOsFs(), dir, nil)
	rec := task(idAt("shell", epoch.Add(1e12), 9), "x")
	big := noise(7, 50_000)
	commit(t, other, run(rec, stored(rec, record.Stdout, big)))
	for _, p := range packs(t, dir) {
		old := false
		for _, b := range before {
			old = old || b == p
		}
		if !old {
			b, _ := os.ReadFile(p)
			b[len(b)-5] ^= 1 // the checksum at the end: only VerifyPack looks at it
			os.Remove(p)
			os.WriteFile(p, b, 0o444)
		}
	}
	n := 0
	if _, err := s.Check(context.Background(), func(err error) { n++; t.Log(err) }, nil); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("Check does not look at packs that came after the store's first look")
	}
}
