package odb

import (
	"bytes"
	"compress/zlib"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"
)

// A pack whose writer flushed often: valid zlib, longer than size + 64.
func TestFlushedEntry(t *testing.T) {
	dir := t.TempDir()
	db := Open(afero.NewOsFs(), dir, Options{})
	content := bytes.Repeat([]byte("content of an object\n"), 200)
	h := plumbing.ComputeHash(plumbing.BlobObject, content)
	var z bytes.Buffer
	zw := zlib.NewWriter(&z)
	for _, b := range content {
		zw.Write([]byte{b})
		zw.Flush()
	}
	zw.Close()
	p, err := db.newPackFile(1)
	if err != nil {
		t.Fatal(err)
	}
	off, err := p.begin(plumbing.BlobObject, int64(len(content)), 0)
	if err != nil {
		t.Fatal(err)
	}
	p.write(z.Bytes())
	p.end(h, off)
	name := publish(t, p)
	if out, err := exec.Command("git", "verify-pack", filepath.Join(dir, "pack", name+".pack")).CombinedOutput(); err != nil {
		t.Fatalf("git: %s", out)
	}
	if _, b, err := db.Get(h); err != nil || !bytes.Equal(b, content) {
		t.Errorf("git reads it, Get says %v", err)
	}
}
