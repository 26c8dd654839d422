package record_test

import (
	"os"
	"reflect"
	"testing"

	"qme/record"
)

// TestBrief shows that a brief record lacks lists, maps and objects alone.
func TestBrief(t *testing.T) {
	b, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := record.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	code, now := 3, record.Now()
	whole.Data.Job = &record.Job{ID: "4711", State: "FAILED", Final: true, ReturnCode: &code, Started: &now, Ended: &now, Elapsed: 1.5, Nodes: "n[1-2]", MaxRSS: 7, Output: []string{"x\n"}, Fields: map[string]string{"a": "b"}}
	if b, err = record.Encode(whole); err != nil {
		t.Fatal(err)
	}
	brief, err := record.DecodeBrief(b)
	if err != nil {
		t.Fatal(err)
	}
	d := &whole.Data
	whole.Extra, d.Extra, d.Cmd, d.Output, d.Error, d.Stderr, d.Usage, d.Git, d.Env, d.Terminal, d.Stdin = nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
	d.Job.Output, d.Job.Fields = nil, nil
	if d.Job.Started.Equal(brief.Data.Job.Started.Time) { // the zones of both are another pointer
		d.Job.Started, d.Job.Ended = brief.Data.Job.Started, brief.Data.Job.Ended
	}
	d.Timestamp, d.Finished = brief.Data.Timestamp, brief.Data.Finished
	if !reflect.DeepEqual(whole, brief) {
		t.Errorf("the brief record is\n%+v %+v\nwant\n%+v %+v", brief, brief.Data.Job, whole, d.Job)
	}
}
