package tests

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search/query"

	_ "qme/index" // the analyzer
)

// TestBleve opens the index of a home with bleve alone: it has a document for each run, fields by
// name, and answers bleve's own queries.
func TestBleve(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "echo", "gone")
	h.must("clear", "--force", "@1")
	h.must("-q", "run", "echo", "hello moto")
	h.must("-q", "rerun", "@1")
	_, _, code := h.run("-q", "run", "sh", "-c", "exit 3")
	if code != 3 {
		t.Fatalf("the run ended with %d", code)
	}
	h.must("search", "moto")
	index, err := bleve.Open(filepath.Join(h.dir, "index"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := index.Close(); err != nil {
			t.Error(err)
		}
		if got := h.must("search", "--ids", "--all-runs", "moto"); len(got) == 0 {
			t.Error("after another program has opened the index, nothing is found")
		}
	}()
	if n, err := index.DocCount(); err != nil || n != 4 {
		t.Errorf("there are %d documents (%v), want one for each run", n, err)
	}
	fields, err := index.Fields()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"text", "executor", "user", "host", "status", "rc", "day", "latest", "cleared", "task", "record", "output"} {
		if !slices.Contains(fields, name) {
			t.Errorf("there is no field %q in %v", name, fields)
		}
	}
	for _, c := range []struct {
		field, term string
		want        uint64
	}{{"text", "mot", 2}, {"text", "xyz", 0}, {"rc", "3", 1}, {"status", "failed", 1}, {"latest", "true", 3}, {"cleared", "true", 1}, {"cleared", "false", 3}, {"executor", "shell", 4}} {
		q := query.NewTermQuery(c.term)
		q.SetField(c.field)
		found, err := index.Search(bleve.NewSearchRequest(q))
		if err != nil || found.Total != c.want {
			t.Errorf("%s:%s finds %v (%v), want %d", c.field, c.term, found, err, c.want)
		}
	}
}
