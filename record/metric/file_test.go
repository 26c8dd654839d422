package metric

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"qme/internal/regular"
	"qme/record"
)

func TestFiles(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"m.json", `{"acc": 0.91, "loss": 3e-4, "n": 5, "name": "x", "ok": true, "none": null, "list": [1, {"a": 2}]}`, "acc=0.91; loss=3e-4; n=5"},
		{"m.json", `{"epoch": 3, "val": {"acc": 0.5, "top": {"five": 0.9}}, "a": 1}`, "val.acc=0.5@3; val.top.five=0.9@3; a=1@3"},
		{"m.json", `{"loss": NaN, "a": -Infinity, "text": "NaN in \"Infinity", "b": "NaN"}`, "loss=NaN; a=-Infinity; b=NaN"},
		{"m.json", `[{"step": 1, "loss": 0.9}, {"step": 2, "loss": 0.3}, {"step": 3, "loss": 0.5}]`, "loss=0.5@3"},
		{"m.json", `[{"epoch": 1, "loss": 0.9}, {"epoch": 1, "eval_loss": 0.3}, {"epoch": 2, "loss": 0.5}]`, "loss=0.5@2; eval_loss=0.3@1"},
		{"m.jsonl", "{\"epoch\": 1, \"loss\": 0.9}\n{\"epoch\": 2, \"loss\": 0.7}\n", "loss=0.7@2"},
		{"m.txt", " {\"macro avg\": {\"f1-score\": 0.5}, \"0\": {\"f1\": 1}}", "macro_avg.f1-score=0.5; _0.f1=1"},
		{"m", "\xef\xbb\xbfepoch,loss,acc,note\n1,0.9,0.1,x\n2,0.4,,y\n3,0.6,0.3,z\n", "loss=0.6@3; acc=0.3@3"},
		{"m.csv", ",train loss,step,val loss\n0,0.5,10,\n1,,20,0.4\n", "train_loss=0.5@10; val_loss=0.4@20"},
		{"m.tsv", "loss\tacc\n1\t\"1,000.5\"\n", "loss=1"},
		{"m.csv", "loss;acc\n0.5;nan\n", "loss=0.5; acc=nan"},
		{"m.csv", "loss\n0.5\n0.6\n", "loss=0.6"},
	} {
		list, err := ParseFile(c.name, []byte(c.content))
		if got := told(list); err != nil || got != c.want {
			t.Errorf("%s: %s has %s, %v; want %s", c.name, c.content, got, err, c.want)
		}
	}
}

func TestFilesAreRefused(t *testing.T) {
	var many strings.Builder
	many.WriteString("a")
	for i := range record.MostMetrics + 1 {
		many.WriteString(",a" + strings.Repeat("b", i%50) + strings.Repeat("c", i/50))
	}
	heads := strings.TrimPrefix(many.String(), "a,")
	for name, c := range map[string]struct{ name, content string }{
		"empty": {"m.csv", ""}, "no numbers": {"m.csv", "a,b\nx,y\n"}, "an empty object": {"m.json", "{}"},
		"a number": {"m.json", "3"}, "a list of numbers": {"m.json", "[1]"}, "lists in a list": {"m.json", "[[]]"}, "two lists": {"m.json", "[{\"a\":1}] [{\"a\":1}]"},
		"cut off": {"m.json", `{"a": 1`}, "cut off in a list": {"m.json", `[{"a": 1}`}, "more": {"m.json", `{"a": 1} x`},
		"deep":         {"m.json", strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)},
		"deep lists":   {"m.json", `{"a": ` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + "}"},
		"a key twice":  {"m.json", `{"a": 1, "a": 2}`},
		"names alike":  {"m.json", `{"a b": 1, "a_b": 2}`},
		"names apart":  {"m.json", `{"a": {"b": 1}, "a.b": 2}`},
		"long number":  {"m.json", `{"a": 1` + strings.Repeat("0", 200) + "}"},
		"many":         {"m.csv", heads + "\n" + strings.Repeat("1,", record.MostMetrics) + "1\n"},
		"ragged":       {"m.csv", "a,b\n1\n"},
		"column twice": {"m.csv", "a,a\n1,2\n"},
		"quote":        {"m.csv", "a,b\n\"1,2\n"},
		"NUL":          {"m.csv", "a\n1\n\x00"}, "UTF-8": {"m.json", "{\"\xff\": 1}"},
		"large": {"m.csv", "a\n" + strings.Repeat("1\n", LargestFile/2)},
	} {
		if list, err := ParseFile(c.name, []byte(c.content)); !errors.Is(err, record.ErrInvalid) || list != nil {
			t.Errorf("%s: %s, %v", name, told(list), err)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("m.json"), []byte(`{"a": 1}`), 0o600), os.WriteFile(at("large.csv"), nil, 0o600), os.Truncate(at("large.csv"), LargestFile+1), syscall.Mkfifo(at("fifo.json"), 0o600)); err != nil {
		t.Fatal(err)
	}
	list, content, err := ReadFile(at("m.json"))
	if told(list) != "a=1" || string(content) != `{"a": 1}` || err != nil {
		t.Error(list, string(content), err)
	}
	for name, want := range map[string]error{"large.csv": regular.ErrTooLarge, "fifo.json": regular.ErrNot, "none": os.ErrNotExist, ".": regular.ErrNot} {
		if _, _, err := ReadFile(at(name)); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{`{"a": 1, "b": {"c": NaN}}`, `[{"step": 1, "a": 2}]`, "epoch,loss\n1,0.5\n", "a;b\n1;2", `{"a":[[{}]],"b":-Infinity}`, "{}{}"} {
		f.Add("m", seed)
		f.Add("m.json", seed)
	}
	f.Fuzz(func(t *testing.T, name, content string) {
		list, err := ParseFile(name, []byte(content))
		if err != nil && (!errors.Is(err, record.ErrInvalid) || list != nil) || err == nil && len(list) == 0 {
			t.Errorf("%q: %v, %v", content, list, err)
		}
		seen := map[string]bool{}
		for _, m := range list {
			if _, ok := m.Value.Number(); !ok || seen[m.Name] || record.CheckMetricName(m.Name) != nil {
				t.Errorf("%q: %v", content, m)
			}
			seen[m.Name] = true
		}
	})
}
