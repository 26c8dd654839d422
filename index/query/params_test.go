package query_test

import (
	"strings"
	"testing"

	"qme/index/query"
	"qme/record"
)

// withParams is a run of a sweep, with metrics.
func withParams() *query.Doc {
	d := example()
	r := d.Record
	long := strings.Repeat("x", 300)
	r.Data.Params = record.Params{{Name: "lr", Value: "1e-2"}, {Name: "model", Value: "ResNet 50"}, {Name: "seed", Value: "9007199254740993"}, {Name: "empty"}, {Name: "odd", Value: ">=3"}, {Name: "long", Value: long}, {Name: "zeros", Value: "0." + strings.Repeat("0", 300)}, {Name: "param", Value: "*"}}
	r.Data.Group = &record.Group{Name: "Sweep-1"}
	r.Data.Origin = record.ParentOf("shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "")
	r.Data.Metrics = record.Metrics{{Name: "val/acc", Value: "0.925"}, {Name: "loss", Value: "NaN"}, {Name: "big", Value: "1e400"}, {Name: "text", Value: "1,000.5"}, {Name: "Acc.top-5", Value: "-3"}}
	return d
}

func TestParams(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]bool{
		"param.lr:0.01": true, "param.lr:1e-2": true, "param.lr:=.01": true, "param.lr:0.02": false, "Param.lr:0.01": true, "param.LR:0.01": false, "-param.lr:0.01": false, "-param.lr:0.02": true, "param.lr:<0.1": true, "param.lr:>=0.01": true, "param.lr:>0.01": false, "param.lr:<=0.01": true, "param.lr:<0.01": false, "param.lr:!=0.01": false, "param.lr:!=1": true, "param.lr:!=abc": true,
		`param.model:"ResNet 50"`: true, `param.model:"resnet 50"`: false, "param.model:ResNet": false, "param.model:!=ResNet": true, "param.model:>3": false, "param.none:!=3": false, "-param.none:3": true, "param.none:<3": false,
		"param.seed:9007199254740993": true, "param.seed:9007199254740992": false, "param.seed:!=9007199254740992": true, "param.seed:>9007199254740992": true, "param.seed:>9007199254740993": false, "param.seed:>9e15": true,
		"param.empty:=": true, "param.empty:!=": false, "param.empty:!=x": true, "param.odd:=>=3": true, "param.odd:>2": false, "param.long:" + strings.Repeat("x", 300): true, "param.long:" + strings.Repeat("x", 299): false, "-param.long:" + strings.Repeat("x", 299): true, "param.zeros:0": true, "param.zeros:!=0": false, `param.param:"*"`: true,
		"param:lr": true, "param:LR": false, "param:empty": true, "-param:none": true, "-param:lr": false, "param:l": false,
		"metric.val/acc:>0.9": true, "metric.val/acc:>0.95": false, "metric.val/acc:0.9250": true, "metric.val/acc:<=1": true, "metric.acc:>0.9": false, "metric.Acc.top-5:<0": true, "metric.Acc.top-5:-3.0": true,
		"metric.loss:NaN": true, "metric.loss:nan": true, "metric.loss:<5": false, "metric.loss:>=5": false, "metric.loss:!=5": true, "metric.loss:!=NaN": false, "metric.big:>1e300": true, "metric.text:1,000.5": true, "metric.text:>0": false, "metric.text:1000.5": false, "metric:val/acc": true, "metric:acc": false, "-metric:acc": true,
		"group:sweep-1": true, "group:SWEEP-1": true, "group:sweep": false, "-group:other": true, "-group:sweep-1": false,
		"origin:019aaf3c-1b2c": true, "origin:shell-019": true, "origin:slurm-0": false, "-origin:019aaf3d": true,
		"(param.lr:0.5 OR metric.val/acc:>0.9) group:sweep-1": true, `(param.model:"a b" OR group:none)`: false,
	} {
		for _, regex := range []bool{false, true} {
			d := withParams()
			one := parse(t, q, regex)
			if got := one.Match(d); got != want {
				t.Errorf("%.80s: %v, want %v", q, got, want)
			} else if got && !admits(one.Plan(), d) {
				t.Errorf("%.80s: the index is not asked for this run: %s", q, shown(one.Plan()))
			}
			if one.Brief() {
				t.Errorf("%.80s reads no whole records", q)
			}
			if q[0] != '-' && one.Plan() == nil {
				t.Errorf("%.80s looks at each run", q)
			}
		}
	}
	for _, q := range []string{"param.lr:0.1", "param.lr:!=0.1", "param:lr", "metric.acc:<1", "metric:acc", "group:a", "origin:019"} {
		d := &query.Doc{Record: &record.Record{}}
		if parse(t, q, false).Match(d) || !parse(t, "-"+q, false).Match(d) || !admits(parse(t, "-"+q, false).Plan(), d) {
			t.Errorf("%s: a run without any", q)
		}
	}
	for q, why := range map[string]string{
		"param.lr:>much": `the text itself is param.lr:"=>much"`, "metric.a:<NaN": "compares numbers with <", "param.a.b:1": "name of a parameter", "param.1:2": "name of a parameter", "metric.-:2": "name of a metric", "param.lr:*": "param:lr finds all", "metric.val/acc:*": "metric:val/acc finds",
		"param:lr=0.1": "did you mean param.lr:0.1?", "param:lr>0.1": "did you mean param.lr:>0.1?", "metric:": "needs something", "param.lr:": "needs something", "param.lr: >0.1": "did you mean param.lr:>0.1?", "metric:a+b": "takes the name", "params:lr": "no field",
	} {
		if _, err := query.Parse(q, query.Options{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", q, err, why)
		}
	}
	// What looks like one, and is text.
	for _, q := range []string{"param.lr", "metric.x", "param.x://host", "params.lr:0.1", "my.param.lr:1", "param.:1", "param.ä:1", `"param.lr:1"`, "metric.a:b.c:x", "3.5:x"} {
		one, err := query.Parse(q, query.Options{})
		if isText := err == nil && one.Streams(); isText == (q == "metric.a:b.c:x") {
			t.Errorf("%s is text: %v, %v", q, isText, err)
		}
	}
}

// TestMeantParams has conditions on parameters be named that were written otherwise.
func TestMeantParams(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"param.lr=0.1": "param.lr:0.1", "param.lr>0.1": "param.lr:>0.1", "params.lr:0.1": "param.lr:0.1", "metrics.val/acc>=0.9": "metric.val/acc:>=0.9", "metric.acc > 0.9": "metric.acc:>0.9", "Params.LR==1": "param.LR:1", "param.a.b>1": "", "params.lr": ""} {
		got := ""
		if list := parse(t, text, false).Doubts(text, query.Options{}); len(list) > 0 {
			got = list[0].Meant
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	list := parse(t, "param.lr:1 -param.no:1 metric:acc (param.lr:<3 OR x) group:Scan -group:no", false).Wanted()
	if len(list) != 3 || list[0].String() != "param.lr" || list[1].String() != "metric.acc" || list[2].String() != "group:scan" {
		t.Errorf("what is asked for is %v", list)
	}
}
