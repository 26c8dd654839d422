package index_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"qme/index"
	"qme/index/query"
	"qme/record"
	"qme/tests/require"
)

// fieldConditions are on what enrich writes.
var fieldConditions = []string{
	"env:SEED", "env:SEED=1", "-env:SEED=1", "env:LONG", "-env:NONE", "run:1", "run:>1", "-run:1", "run:!=2", "run:019aaf3c", "-run:019aaf3c-1", "run:019aaf3d",
	"job:17", "job:9_1", "-job:9", "job:9_2 OR job:17", "state:timeout", "-state:failed", "state:cancelled", "partition:gpu", "-partition:LONG", "partition:gpu state:timeout",
	"memory:>1GiB", "memory:<=1000", "-memory:>5kB", "memory:<1GB OR memory:>=2GiB", "program:python", "program:/usr/BIN", "-program:sort", "program:x~", "software:conda", "software:gcc/12", "-software:venv",
	"container:fmriprep", "container:docker", "-container:a", "hash:0123456", "hash:" + strings.Repeat("0123456789abcdef", 4), "-hash:fedcba9876543210fe", "hash:89abcde in:sub",
	"parent:shell-019aaf3c", "parent:019aaf3c-1b2c-7d3e", "-parent:019aaf3c", "parent:slurm-019", "tag:paper", "-tag:paper", "tag:DRAFT", "tag:none OR tag:paper", "name:baseline", "-name:base", "note:hot", "-note:\"too hot\"", "hot", "temprature~",
	"param.lr:0.01", "-param.lr:1e-2", "param.lr:<0.01", "param.lr:!=0.1", "param.lr:auto OR param.seed:>1", "param:seed", "-param:lr", "param.long:" + strings.Repeat("x", 300), "-param.long:" + strings.Repeat("x", 299) + "z", "metric.acc:>0.9", "-metric.acc:>=0.5", "metric.val/loss:NaN", "metric.val/loss:!=3", "metric:acc param:lr", "group:SWEEP", "-group:sweep", "group:sweep param.lr:0.1", "origin:019aaf3c", "-origin:slurm-019",
	"in:sub-01", "out:fig", "-in:t1w", "out:/data/", "in:x.nii OR out:x.nii", "in:fi", "-out:1.png",
}

// enrich adds to records that have none environment variables, names of runs, and what a
// scheduler says of jobs.
func enrich(rnd *rand.Rand, all tasks) {
	for _, r := range all {
		if r.Data.Env != nil {
			continue
		}
		r.Data.Env = map[string]string{}
		if rnd.IntN(2) == 0 {
			r.Data.Env["SEED"] = strconv.Itoa(rnd.IntN(3))
			r.Data.Env["LONG"] = strings.Repeat("x", 300)
		}
		if rnd.IntN(2) == 0 && r.Data.Run <= 1 {
			r.Data.RunID = record.RunID([]string{"019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "019aaf3d-1b2c-7d3e-8f40-5b1f0c2d9e7a"}[rnd.IntN(2)])
		}
		if n := rnd.IntN(4); n > 0 {
			paths := []string{"sub-01/T1w.nii", "/data/x.nii", "fig1.png", "no UTF-8 \xff", "a\nb"}
			r.Data.Files = &record.Files{In: []record.File{{Path: paths[rnd.IntN(5)]}}}
			for range n - 1 {
				r.Data.Files.Out = append(r.Data.Files.Out, record.File{Path: paths[rnd.IntN(5)]})
			}
		}
		enrichSoftware(rnd, r)
		enrichNotes(rnd, r)
		enrichParams(rnd, r)
		if j := r.Data.Job; j != nil {
			j.MaxRSS = int64(rnd.IntN(2)) << rnd.IntN(40)
			j.State, j.Partition = []string{"TIMEOUT", "FAILED", "CANCELLED by 0", ""}[rnd.IntN(4)], []string{"gpu", "gpu,long", ""}[rnd.IntN(3)]
			if rnd.IntN(2) == 0 {
				j.ID, j.Elements = "9", []record.JobElement{{ID: "9_1", State: "FAILED"}, {ID: "9_2"}}
			}
		}
	}
}

// enrichNotes adds tags, a name and notes.
func enrichNotes(rnd *rand.Rand, r *record.Record) {
	if rnd.IntN(3) == 0 {
		r.Data.Parent = record.ParentOf([]string{"shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "slurm-019aaf3c-1b2d-7d3e-8f40-5b1f0c2d9e7a"}[rnd.IntN(2)], "")
	}
	if rnd.IntN(3) > 0 {
		return
	}
	at := record.Time{Time: time.Unix(1_700_000_000, 0).UTC()}
	r.Notes = &record.Notes{Tags: []string{"Draft", "paper", "ÜBER"}[rnd.IntN(3):]}
	if rnd.IntN(2) == 0 {
		r.Notes.Name = &record.Name{Text: []string{"baseline", "base"}[rnd.IntN(2)], At: at, By: "ada"}
	}
	for i := range rnd.IntN(3) {
		r.Notes.Notes = append(r.Notes.Notes, record.Note{ID: fmt.Sprintf("%012x", i), At: at, By: "ada", Text: []string{"too hot", "the temperature\nwas Hot"}[rnd.IntN(2)]})
	}
}

// enrichParams adds parameters, metrics, a group and what a run comes from.
func enrichParams(rnd *rand.Rand, r *record.Record) {
	if rnd.IntN(2) == 0 {
		r.Data.Params = record.Params{{Name: "lr", Value: []string{"0.01", "1e-2", "0.1", "auto", "-3"}[rnd.IntN(5)]}, {Name: "seed", Value: strconv.Itoa(rnd.IntN(4))}, {Name: "long", Value: strings.Repeat("x", 299) + []string{"x", "y"}[rnd.IntN(2)]}}[rnd.IntN(2):]
	}
	if rnd.IntN(2) == 0 {
		r.Data.Metrics = record.Metrics{{Name: "acc", Value: record.MetricValue(strconv.FormatFloat(rnd.Float64(), 'g', -1, 64))}, {Name: "val/loss", Value: []record.MetricValue{"NaN", "3", "1,000.5", "inf"}[rnd.IntN(4)]}}[rnd.IntN(2):]
	}
	if rnd.IntN(3) == 0 {
		r.Data.Group = &record.Group{Name: []string{"Sweep", "sweep", "other"}[rnd.IntN(3)], Index: 1, Size: 3}
	}
	if rnd.IntN(3) == 0 {
		r.Data.Origin = record.ParentOf([]string{"shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "slurm-019aaf3c-1b2d-7d3e-8f40-5b1f0c2d9e7a"}[rnd.IntN(2)], "")
	}
}

// enrichSoftware adds memory, programs, environments, containers and hashes.
func enrichSoftware(rnd *rand.Rand, r *record.Record) {
	if rnd.IntN(3) > 0 {
		r.Data.Usage = &record.Usage{PeakMemory: int64(rnd.IntN(2)) << rnd.IntN(40), MaxRSS: int64(rnd.IntN(2_000))}
	}
	hashes := []string{"", strings.Repeat("0123456789abcdef", 4), strings.Repeat("0123456789abcdee", 4), strings.Repeat("89abcdef01234567", 4), strings.Repeat("fedcba9876543210", 4)}
	if f := r.Data.Files; f != nil {
		for _, list := range [][]record.File{f.In, f.Out} {
			for i := range list {
				list[i].SHA256, list[i].Partial = hashes[rnd.IntN(5)], rnd.IntN(4) == 0
			}
		}
	}
	if rnd.IntN(4) == 0 {
		r.Data.Stdin = &record.Stdin{Kind: "pipe", SHA256: hashes[rnd.IntN(5)]}
	}
	if rnd.IntN(3) == 0 {
		return
	}
	long := strings.Repeat("/very/long", 40)
	paths := []string{"/usr/bin/sort", "/opt/Python3", "/ÜSR/bin/x", long + "/python", "no UTF-8 \xff", "x~"}
	s := &record.Software{Programs: []record.Program{{Path: paths[rnd.IntN(6)], Real: paths[rnd.IntN(6)]}}}
	if rnd.IntN(2) == 0 {
		s.Environments = []record.Environment{{Kind: "conda", Path: "/envs/" + paths[rnd.IntN(6)]}, {Kind: "venv", Path: "/v"}}[rnd.IntN(2):]
		s.Modules = []string{"GCC/12", "a b"}[rnd.IntN(2):]
	}
	if rnd.IntN(2) == 0 {
		s.Container = &record.Container{Kind: "docker", Image: "nipreps/fMRIPrep:24", ID: "3f"}
	} else if rnd.IntN(2) == 0 {
		s.Images = []record.Container{{Kind: "podman", Image: "a:1"}, {Name: "docker fmriprep"}}[rnd.IntN(2):]
	}
	r.Data.Software = s
}

// TestFields has conditions on variables, runs and jobs find the same with the index as
// without.
func TestFields(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	rnd := rand.New(rand.NewPCG(33, 34))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	more := func(all tasks) {
		add(t, rnd, 150)(all)
		enrich(rnd, all)
	}
	h.commit(more)
	for i, q := range fieldConditions {
		sn := h.commit(func(all tasks) {
			if i%8 == 0 {
				more(all)
			}
		})
		got := same(t, sn, dir, parse(t, q, false), q, func(s *index.Search) { s.AllRuns = i%3 == 0 })
		if len(got.ids) == 0 {
			t.Errorf("%s finds nothing: the test does not test", q)
		}
	}
}

// misspelt is a random word of a record, with some edits.
func misspelt(rnd *rand.Rand, r *record.Record) string {
	var list []string
	(&query.Doc{Record: r}).EachWord(func(s string) { list = append(list, s) })
	if len(list) == 0 {
		return "abc"
	}
	word := []rune(list[rnd.IntN(len(list))])
	for range rnd.IntN(3) {
		switch i := rnd.IntN(len(word)); rnd.IntN(4) {
		case 0:
			word[i] = 'e'
		case 1:
			word = slices.Insert(word, i, 'o')
		case 2:
			word = slices.Delete(word, i, i+1)
		case 3:
			word[0], word[i] = word[i], word[0]
		}
		if len(word) == 0 {
			break
		}
	}
	for len(word) < 3 {
		word = append(word, 'a')
	}
	return "e" + string(word[1:min(len(word), 22)])
}

// TestSimilar has words that are nearly right find the same with the index as without.
func TestSimilar(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(35, 36))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 200))
	found := 0
	for i := range 60 {
		if i%30 == 29 {
			sn = h.commit(change(t, rnd, i))
		}
		word := misspelt(rnd, pick(rnd, sn.all)) + []string{"~", "~2"}[rnd.IntN(2)]
		q := []string{"", "-", "output:", "command:", "user:", "seed "}[rnd.IntN(6)] + word
		if got := same(t, sn, dir, parse(t, q, false), q, func(s *index.Search) { s.AllRuns = i%3 == 0 }); len(got.ids) > 0 && len(got.ids) < len(sn.all) {
			found++
		}
	}
	if found < 15 {
		t.Errorf("%d of 60 words were found: the test does not test", found)
	}
}

// TestDistance compares the words that bleve's automata find in an index with those that a
// query finds one by one.
func TestDistance(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	rnd := rand.New(rand.NewPCG(37, 38))
	letters := []rune("aabbcéß日1")
	random := func(least, most int) string {
		word := make([]rune, least+rnd.IntN(most-least+1))
		for i := range word {
			word[i] = letters[rnd.IntN(len(letters))]
		}
		word[0] = letters[rnd.IntN(len(letters)-1)]
		return query.Fold(string(word))
	}
	m := bleve.NewIndexMapping()
	m.DefaultAnalyzer = keyword.Name
	idx, err := bleve.NewUsing(filepath.Join(t.TempDir(), "words"), m, scorch.Name, scorch.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idx.Close() }()
	const longest = "日本語中文字漢和英独仏露西伊韓朝鮮台湾香港" // 22 letters
	words := map[string]bool{}
	batch := idx.NewBatch()
	for i := range 3000 {
		word := random(2, 8)
		if i == 0 {
			word = longest[3:] + "東京大"
		}
		words[word] = true
		if err := batch.Index(word, map[string]any{query.WordsField: word}); err != nil {
			t.Fatal(err)
		}
	}
	if err := idx.Batch(batch); err != nil {
		t.Fatal(err)
	}
	found := 0
	for i := range 400 {
		word, edits := random(3, 9), 1+rnd.IntN(2)
		if i < 2 {
			word, edits = longest, 1+i
		}
		q := parse(t, fmt.Sprintf("%s~%d", word, edits), false)
		got := similarIn(t, idx, *q.Plan().Leaf)
		for w := range words {
			if is := q.Match(&query.Doc{Record: &record.Record{Command: w}}); is != got[w] {
				t.Fatalf("%s~%d: the index has %q: %v, the query finds it: %v", word, edits, w, got[w], is)
			}
		}
		found += len(got)
	}
	if found < 2000 {
		t.Errorf("%d words are similar: the test does not test", found)
	}
}

func similarIn(t *testing.T, idx bleve.Index, l query.Leaf) map[string]bool {
	t.Helper()
	advanced, err := idx.Advanced()
	if err != nil {
		t.Fatal(err)
	}
	r, err := advanced.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	fuzzy, ok := r.(bleveindex.IndexReaderFuzzy)
	if !ok {
		t.Fatal("there is no fuzzy reader")
	}
	dict, err := fuzzy.FieldDictFuzzy(l.Field, l.Prefix, l.Fuzzy, "")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for e, err := dict.Next(); e != nil || err != nil; e, err = dict.Next() {
		if err != nil {
			t.Fatal(err)
		}
		found[e.Term] = true
	}
	return found
}

// randomQuery is a query of groups within groups.
func randomQuery(rnd *rand.Rand, all tasks, depth int) string {
	if depth == 0 || rnd.IntN(3) == 0 {
		if rnd.IntN(2) == 0 {
			return needle(rnd, pick(rnd, all))
		}
		return conditions[rnd.IntN(len(conditions))]
	}
	parts := make([]string, 1+rnd.IntN(3))
	for i := range parts {
		if parts[i] = randomQuery(rnd, all, depth-1); rnd.IntN(5) == 0 {
			parts[i] = "-(" + parts[i] + ")"
		}
	}
	return "(" + strings.Join(parts, []string{" ", " OR "}[rnd.IntN(2)]) + ")"
}

// TestGroups has queries of groups find the same with the index as without.
func TestGroups(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(31, 32))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	found := 0
	for i := range 60 {
		if i%30 == 29 {
			sn = h.commit(change(t, rnd, i))
		}
		q := randomQuery(rnd, sn.all, 3)
		all := func(s *index.Search) { s.AllRuns = i%3 == 0 }
		if got := same(t, sn, dir, parse(t, q, false), fmt.Sprintf("query %d, %s", i, q), all); len(got.ids) > 0 && len(got.ids) < len(sn.all) {
			found++
		}
	}
	if found < 20 {
		t.Errorf("%d of 60 queries were found: the test does not test", found)
	}
}
