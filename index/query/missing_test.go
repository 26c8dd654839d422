package query

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"Motto":                                          {"motto"},
		`"motto" output:nan -pilot`:                      {"motto", "output:nan"},
		`"two words" moto~ a.b ab 1st failed`:            nil,
		"-(pilot -train) (b12 OR rc:0)":                  {"train", "b12"},
		"motto x MOTTO output:motto":                     {"motto", "output:motto"},
		"user:ada id:abc commit:abc env:ABC":             nil,
		"abcdefghijklmnopqrstuv abcdefghijklmnopqrstuvw": {"abcdefghijklmnopqrstuv"},
	} {
		q, err := Parse(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range q.Words() {
			name := w.Text
			if w.Field != "" {
				name = w.Field + ":" + name
			}
			got = append(got, name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the words of %s are %q, want %q", text, got, want)
		}
	}
	q, err := Parse("motto", Options{Regex: true})
	if err != nil || len(q.Words()) > 0 {
		t.Errorf("an expression has words: %v, %v", q.Words(), err)
	}
}

func TestCorrected(t *testing.T) {
	near := map[string]string{"motto": "moto", "faild": "failed"}
	for text, want := range map[string]string{
		"motto":                             "moto",
		`  (MOTTO OR "motto") -x  motto`:    `  (moto OR "moto") -x  moto`,
		"output:motto é command:faild":      "output:moto é command:failed",
		`faild other "motto motto" "faild"`: `"failed" other "motto motto" "failed"`,
	} {
		q, err := Parse(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var list []Missing
		for _, w := range q.Words() {
			list = append(list, Missing{w, near[w.Text]})
		}
		if got := Corrected(text, list); got != want {
			t.Errorf("%s is corrected to %s, want %s", text, got, want)
		}
	}
}

func TestSmall(t *testing.T) {
	for _, s := range []string{"café", "größe", "σίσυφος", "İx", "ǆ", "Ⅷ", "ﬀ", "Kelvin"} {
		if small := Small(Fold(s)); Fold(small) != Fold(s) {
			t.Errorf("%s in small letters is %s, which is another text", s, small)
		}
	}
	if got := Small(Fold("CAFÉ")); got != "café" {
		t.Errorf("it is %s", got)
	}
}

func TestDoubts(t *testing.T) {
	for text, want := range map[string]string{
		"rc>0":                  "rc:>0",
		"status=failed x":       "status:failed x",
		"a (OK OR exit=3) -ok":  "a (status:ok OR rc:=3) -ok",
		`"rc>0" rc=x lr=3 a>b`:  `"rc>0" rc=x lr=3 a>b`,
		"output:ok user=ada":    "output:ok user:ada",
		"duration>1h command>x": "duration:>1h command>x",
		"status>1 env=SEED":     "status>1 env:SEED",
	} {
		q, err := Parse(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := WithConditions(text, q.Doubts(text, Options{})); got != want {
			t.Errorf("%s is taken for %s, want %s", text, got, want)
		}
	}
}
