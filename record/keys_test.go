package record_test

import (
	"errors"
	"strings"
	"testing"

	"qme/record"
)

// TestKeys refuses records that other readers of JSON read otherwise.
func TestKeys(t *testing.T) {
	t.Parallel()
	const good = `{"executor":"shell","uid":"shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a","command":"echo \"mine\" \\","data":{"pwd":"/","user":"u","timestamp":"2026-01-02T03:04:05Z",` +
		`"status":"complete","returncode":0,"cmd":["echo","mine\\"],"output":["\"}{","a"],"error":[],"env":{"path":"a","PATH":"b"},"run":1,` +
		`"stdout":{"size":3,"sha256":"ab","cut":{"offset":1,"bytes":1}},"job":{"id":"1","final":false,"history":[{"state":"A","at":"2026-01-02T03:04:05Z"}],"elements":[{"id":"1_1","final":true},{"id":"1_2","final":true}],"fields":{"a":"1","A":"2"}},"later":[{"x":[{}],"X":1}]}, "more": [1, {"a": null}] }`
	if _, err := record.Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`"cmd":`, `"CMD":["sh","-c","echo SWAPPED"],"cmd":`}, {`"cmd":`, `"cmd":["x"],"cmd":`}, {`"cmd":`, `"\u0063md":["x"],"cmd":`}, {`"cmd":`, `"Cmd":`},
		{`"uid":`, `"UID":`}, {`"user":`, `"u\u017fer":`}, {`"user":`, `"uſer":`}, {`"data":`, `"data":{},"data":`}, {`"executor":`, `"Executor":"x","executor":`},
		{`"id":"1",`, `"id":"2","id":"1",`}, {`"id":"1",`, `"ID":"1",`}, {`"state":"A"`, `"State":"A"`}, {`"id":"1_2"`, `"id":"1_2","iD":"3"`},
		{`"offset":1`, `"OFFSET":1`}, {`"sha256":"ab"`, `"sha256":"ab","sha256":"cd"`}, {`"path":"a"`, `"PATH":"a"`}, {`"a":"1"`, `"A":"1"`},
		{`"X":1`, `"x":1`}, {`"more":`, `"more":1,"more":`}, {`"later":`, `"later":1,"later":`},
	} {
		text := strings.Replace(good, c[0], c[1], 1)
		if text == good {
			t.Fatalf("%s is not there", c[0])
		}
		if _, err := record.Decode([]byte(text)); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("with %s in place of %s: %v", c[1], c[0], err)
		}
	}
}
