package index

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"qme/index/query"
	"qme/record"
)

// What is stored of a run is read again as it was, whatever somebody has written into its record.
func TestBrief(t *testing.T) {
	code := -3
	many := map[string]string{}
	for i := range 150_000 {
		many[fmt.Sprint("N", i)] = ""
	}
	at := record.Time{Time: time.Date(9999, 12, 31, 11, 59, 59, 999_999_000, time.FixedZone("", -12*3600)).Truncate(time.Microsecond)}
	begin := record.Time{Time: time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)}
	id := record.ID("a-b-019aaf3c-1b2c-7000-8000-000000000001")
	runID := record.RunID("019aaf3c-1b2c-7000-8000-000000000002")
	for name, d := range map[string]record.Data{
		"nothing": {},
		"usual": {PWD: "/a b", User: "mira", Timestamp: at, Message: "x\x00\n", Status: record.Complete, ReturnCode: &code, Host: "h", Finished: &at,
			Duration: 1e-300, Signal: "SIGKILL", Git: &record.Git{Commit: "430501a4d3f6b72bc58473621774216f4e014df9", Branch: "feature/ü"},
			Env: map[string]string{"A": "", "B=": "\xff"}, Merged: true, RunID: runID, Run: 7},
		"no UTF-8":         {PWD: "/\xff\xfe", Timestamp: begin, Run: 1},
		"no digits":        {Git: &record.Git{Commit: "HEAD~2", Branch: ""}, Timestamp: begin},
		"odd digits":       {Git: &record.Git{Commit: "abc"}, Timestamp: begin, Run: -1},
		"capitals":         {Git: &record.Git{Commit: "ABCD"}, Timestamp: begin},
		"no commit":        {Git: &record.Git{Branch: "main"}, Timestamp: begin},
		"many variables":   {Env: many, Timestamp: begin},
		"a number as name": {RunID: "7", Run: 8, Timestamp: begin},
		"files":            {Timestamp: at, Files: &record.Files{In: []record.File{{Path: "a b"}, {Path: "/\n"}}}},
		"hashes": {Timestamp: at, Files: &record.Files{In: []record.File{{Path: "a"}, {Path: "b", SHA256: strings.Repeat("01", 32)}}, Out: []record.File{{Path: "c", SHA256: strings.Repeat("ab", 32)}, {Path: "log", By: record.ByStdio}}},
			Stdin: &record.Stdin{SHA256: strings.Repeat("fe", 32)}, Usage: &record.Usage{PeakMemory: 1 << 40, MaxRSS: 7}},
		"software":   {Timestamp: at, Software: &record.Software{Programs: []record.Program{{Path: "/a \xff"}}, Modules: []string{"conda /x", "gcc"}, Images: []record.Container{{Image: "docker a:1"}}}},
		"parameters": {Timestamp: at, Params: record.Params{{Name: "b", Value: ""}, {Name: "a", Value: "\x00 ü"}}, Group: &record.Group{Name: "sweep"}, Metrics: record.Metrics{{Name: "val/acc", Value: "1e400"}, {Name: "n", Value: "NaN", Step: "3", Take: "max", Pattern: "n=(.*)"}, {Name: "f", Value: "1", File: "m.json"}}, Origin: &record.Parent{UID: id}},
		"a job": {Timestamp: at, Job: &record.Job{ID: "7", State: "FAILED", Final: true, ReturnCode: &code, Ended: &at, StdoutFile: "/o", StderrFile: "/o",
			Elements: []record.JobElement{{ID: "7_1", State: "OOM"}}, Fields: map[string]string{"a": "b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			want := &record.Record{Executor: "a-b", UID: id, Command: "echo \x1b[1m", Data: d}
			b, err := entry{id: id, doc: &query.Doc{Record: want}, number: 3, unique: 9}.encodeBrief()
			if err != nil {
				t.Fatal(err)
			}
			rest, err := decodeBrief(b)
			if err != nil {
				t.Fatal(err)
			}
			got, err := rest.recordOf(placeIn(want))
			if err != nil {
				t.Fatal(err)
			}
			if rest.Number != 3 || rest.Unique != 9 {
				t.Errorf("number %d, unique %d", rest.Number, rest.Unique)
			}
			for _, at := range [][2]*record.Time{{&got.Data.Timestamp, &want.Data.Timestamp}, {got.Data.Finished, want.Data.Finished}} {
				if (at[0] == nil) != (at[1] == nil) || at[0] != nil && at[0].String() != at[1].String() {
					t.Errorf("time %v instead of %v", at[0], at[1])
				}
			}
			got.Data.Timestamp, got.Data.Finished = want.Data.Timestamp, want.Data.Finished
			if (got.Data.Job == nil) != (d.Job == nil) || d.Job != nil && fmt.Sprint(got.Data.Job.Elements, got.Data.Job.Ended, got.ErrorsInOutput()) != fmt.Sprint(d.Job.Elements, d.Job.Ended, true) {
				t.Errorf("the job is %+v", got.Data.Job)
			}
			got.Data.Job, got.Data.Merged = d.Job, d.Merged
			if !reflect.DeepEqual(got, want) {
				t.Errorf("read %.500v, want %.500v", got, want)
			}
		})
	}
}
