package gitstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// tenThousand makes a history of 10,000 tasks, some months of normal use, collected.
func tenThousand(b *testing.B) (*gitstore.Store, []record.ID) {
	b.Helper()
	s := openStore(b, afero.NewOsFs(), filepath.Join(b.TempDir(), "tasks.git"), nil)
	var ids []record.ID
	for part := range 100 {
		var changes []gitstore.Change
		for i := range 100 {
			n := part*100 + i
			rec := task(idAt("shell", epoch.Add(time.Duration(n)*17*time.Minute), n), fmt.Sprint("output ", n, "\n"))
			ids, changes = append(ids, rec.UID), append(changes, run(rec, nil))
		}
		commit(b, s, changes...)
	}
	if _, err := s.GC(context.Background(), true); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return s, ids
}

// BenchmarkCommit is one run on a history of 10,000 tasks, on disk when it is done.
func BenchmarkCommit(b *testing.B) {
	made, ids := tenThousand(b)
	s, err := gitstore.Open(afero.NewOsFs(), made.Dir(), gitstore.Options{Identity: tester})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for n := range b.N {
		at := ids[len(ids)-1].Time().Add(time.Duration(n+1) * time.Second)
		commit(b, s, run(task(idAt("shell", at, n), "x"), nil))
		if n%64 == 63 { // as the background does
			b.StopTimer()
			if _, err := s.GC(context.Background(), false); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// BenchmarkGet reads records all over a history of 10,000 tasks.
func BenchmarkGet(b *testing.B) {
	s, ids := tenThousand(b)
	for n := range b.N {
		if _, err := s.Get("", ids[n*7919%len(ids)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenGet is what a command pays that shows one task.
func BenchmarkOpenGet(b *testing.B) {
	made, ids := tenThousand(b)
	for n := range b.N {
		s, err := gitstore.Open(afero.NewOsFs(), made.Dir(), gitstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Get("", ids[n*7919%len(ids)]); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecords reads all 10,000 records.
func BenchmarkRecords(b *testing.B) {
	s, ids := tenThousand(b)
	for range b.N {
		n := 0
		for res := range recordsOf(s, record.Range{}) {
			if res.Err != nil {
				b.Fatal(res.Err)
			}
			n++
		}
		if n != len(ids) {
			b.Fatalf("%d records of %d", n, len(ids))
		}
	}
}
