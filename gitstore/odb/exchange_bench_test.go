package odb

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"
)

// manyCommits makes a database of 5,000 commits, each with a tree and a blob, that
// are packed with deltas.
func manyCommits(b *testing.B) (*DB, []plumbing.Hash) {
	b.Helper()
	db := Open(afero.NewOsFs(), b.TempDir(), Options{NoSync: true})
	w := db.NewWriter()
	var objects []plumbing.Hash
	var entries []byte
	for i := range 5000 {
		h := w.Add(plumbing.BlobObject, fmt.Appendf(nil, "{\n  \"uid\": \"%x\",\n  \"command\": \"make test\",\n  \"status\": \"complete\"\n}\n", noise(byte(i), 20)), "shell")
		if i%60 == 0 {
			entries = nil
		}
		entries = append(fmt.Appendf(entries, "100644 %06d.json\x00", i), h[:]...)
		tree := w.Add(plumbing.TreeObject, bytes.Clone(entries), "tasks")
		commit := w.Add(plumbing.CommitObject, fmt.Appendf(nil, "tree %s\nauthor a <a@b> %d +0000\ncommitter a <a@b> %d +0000\n\nrun: make test\n", tree, i, i), "commit")
		objects = append(objects, h, tree, commit)
	}
	if _, err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	seen := map[plumbing.Hash]bool{} // some blobs are the same
	var once []plumbing.Hash
	for _, h := range objects {
		if !seen[h] {
			once = append(once, h)
		}
		seen[h] = true
	}
	return db, once
}

// BenchmarkReceive receives 5,000 commits.
func BenchmarkReceive(b *testing.B) {
	db, objects := manyCommits(b)
	defer db.Close()
	pack := sent(b, db, objects)
	b.SetBytes(int64(len(pack)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		there := Open(afero.NewOsFs(), b.TempDir(), Options{NoSync: true})
		b.StartTimer()
		if _, err := receive(there, pack, ReceiveOptions{}); err != nil {
			b.Fatal(err)
		}
		if err := there.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(objects)), "ns/object")
}

// BenchmarkReceiveOne receives a commit of three objects.
func BenchmarkReceiveOne(b *testing.B) {
	pack, _ := tiny(b)
	for range b.N {
		db, _ := memory()
		if _, err := receive(db, pack, ReceiveOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWritePack sends 5,000 commits.
func BenchmarkWritePack(b *testing.B) {
	db, objects := manyCommits(b)
	defer db.Close()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := db.WritePack(context.Background(), io.Discard, objects, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(objects)), "ns/object")
}
