package record

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParamsKeepTheirOrder(t *testing.T) {
	const stored = `{"lr":"3e-4","Alpha":"a \"b\" <c>","seed":""}`
	var p Params
	if err := json.Unmarshal([]byte(stored), &p); err != nil {
		t.Fatal(err)
	}
	if v, ok := p.Get("Alpha"); v != `a "b" <c>` || !ok || len(p) != 3 || p[2].Name != "seed" {
		t.Errorf("read %v", p)
	}
	b, err := p.MarshalJSON()
	if err != nil || string(b) != stored {
		t.Errorf("written as %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte("null"), &p); err != nil || p != nil {
		t.Errorf("null is %v, %v", p, err)
	}
	for _, bad := range []string{`[]`, `{"a":1}`, `"a"`, `{"a":null,"b":{}}`} {
		if err := json.Unmarshal([]byte(bad), &p); err == nil {
			t.Errorf("%s was read as %v", bad, p)
		}
	}
}

func TestMetricValue(t *testing.T) {
	for text, want := range map[string]string{"0.91": "0.91", "3e-4": "3e-4", "-1E+5": "-1E+5", ".5": `".5"`, "1.": `"1."`, "NaN": `"NaN"`, "-inf": `"-inf"`, "1,000.5": `"1,000.5"`, "007": `"007"`} {
		b, err := json.Marshal(MetricValue(text))
		if err != nil || string(b) != want {
			t.Errorf("%s is written as %s, %v", text, b, err)
		}
		var v MetricValue
		if err := json.Unmarshal(b, &v); err != nil || string(v) != text {
			t.Errorf("%s was read as %q, %v", b, v, err)
		}
	}
	for text, want := range map[string]float64{"3e-4": 3e-4, ".5": .5, "-inf": math.Inf(-1), "1e999": math.Inf(1), "+7": 7} {
		if n, ok := MetricValue(text).Number(); !ok || n != want {
			t.Errorf("%s is %v, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "1,000.5", "0x10", "1_000", "1e", "abc", "1 2"} {
		if n, ok := MetricValue(text).Number(); ok {
			t.Errorf("%q is the number %v", text, n)
		}
	}
	for _, text := range []MetricValue{"nan", "NaN", "-nan"} {
		if n, ok := text.Number(); !ok || !math.IsNaN(n) {
			t.Errorf("%s is %v, %v", text, n, ok)
		}
	}
}

func TestParamsMetricsAndGroupsAreChecked(t *testing.T) {
	long := strings.Repeat("a", longestMark+1)
	for i, err := range []error{
		Params{{"9", ""}}.check(), Params{{"a-b", ""}}.check(), Params{{"a", long}}.check(),
		Metrics{{Name: "a b"}}.check(), Metrics{{Name: "a", Take: "most"}}.check(), Metrics{{Name: "a", Value: MetricValue(long)}}.check(), make(Metrics, MostMetrics+1).check(),
		(&Group{Name: "../x"}).check(), (&Group{Name: "a/b"}).check(), (&Group{Name: "a", Index: -1}).check(), (&Group{Name: "a", Seed: "-1"}).check(),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%d: %v", i, err)
		}
	}
	for i, err := range []error{Params{{"_a1", "x"}}.check(), Metrics{{Name: "val/acc.1-x", Take: TakeMax}}.check(), (&Group{Name: "lr-scan.2", Index: 3, Size: 15, Seed: "42"}).check()} {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}
