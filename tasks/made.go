package tasks

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"qme/index"
	"qme/index/query"
	"qme/record"
)

// Wrote finds the runs whose record lists a file, by its absolute path, as one that they made or changed,
// with the query that the index is asked. What is in the file now is not compared.
func (q *Service) Wrote(ctx context.Context, path string) (*Search, *query.Query, error) {
	s, what, err := q.outputsNamed(ctx, path, SearchOptions{AllRuns: true, Whole: true})
	if err != nil {
		return nil, nil, err
	}
	found := s.Found // also with longer paths, and in upper and lower case
	s.Found = func(yield func(index.Found) bool) {
		for f := range found {
			if (f.Err != nil || wrote(f.Record, path)) && !yield(f) {
				return
			}
		}
	}
	return s, what, nil
}

// outputsNamed finds the runs whose record lists an output with a text in its absolute path, in upper or
// lower case, with the query for that.
func (q *Service) outputsNamed(ctx context.Context, text string, o SearchOptions) (*Search, *query.Query, error) {
	what, err := query.Parse(`out:"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)+`"`, query.Options{})
	if err != nil {
		return nil, nil, err
	}
	s, err := q.Search(ctx, what, o)
	return s, what, err
}

// wrote reports whether a record lists a file as one that the run made or changed.
func wrote(rec *record.Record, path string) bool {
	return rec.Data.Files != nil && slices.ContainsFunc(rec.Data.Files.Out, func(f record.File) bool {
		return f.Path == path || !filepath.IsAbs(f.Path) && filepath.Join(rec.Data.PWD, f.Path) == path
	})
}
