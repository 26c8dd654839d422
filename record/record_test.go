package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"qme/record"
)

// minimal is a record with the keys of the original QueueMe alone.
const minimal = `{"executor":"shell","uid":"` + example + `","command":"true","data":{"pwd":"/","user":"u","timestamp":"2026-11-23T09:31:00.578123+01:00",` +
	`"message":"","cmd":["true"],"status":"complete","returncode":0,"pid":1,"output":[],"error":[]}}`

// with returns minimal with a piece of it replaced.
func with(t testing.TB, from, to string) string {
	t.Helper()
	s := strings.Replace(minimal, from, to, 1)
	if s == minimal {
		t.Fatalf("%q is not in the example", from)
	}
	return s
}

func decode(t testing.TB, s string) *record.Record {
	t.Helper()
	r, err := record.Decode([]byte(s))
	if err != nil {
		t.Fatalf("Decode: %v\n%s", err, s)
	}
	return r
}

func encode(t testing.TB, r *record.Record) string {
	t.Helper()
	b, err := record.Encode(r)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return string(b)
}

// TestEncode compares a record in which everything is set with a file.
func TestEncode(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	code, dirty := 137, true
	zone := time.FixedZone("", 3600)
	at := record.Time{Time: time.Date(2026, 11, 23, 9, 31, 0, 578123000, zone)}
	end := record.Time{Time: time.Date(2026, 11, 23, 9, 31, 2, 0, zone)}
	r := &record.Record{Executor: "shell", UID: example, Command: "echo '<&>' \u2028", Data: record.Data{
		PWD: "/home/user", User: "user", Timestamp: at, Message: "a \"message\"\n", Cmd: []string{"echo", "<&>\u2028"}, Status: record.Cancelled, ReturnCode: &code,
		PID: 20852, Output: []string{"line\n", "\ttab, \x00\n", "no newline"}, Error: []string{"[...]\n"}, Stderr: &record.Stream{Size: 1 << 40, SHA256: "ab", Cut: &record.Cut{Offset: 10, Bytes: 1 << 39}},
		Host: "login1", Finished: &end, Duration: 1.421877, Signal: "SIGKILL", Usage: &record.Usage{User: 0.001, System: 2, MaxRSS: 2359296},
		Git: &record.Git{Commit: "abc", Branch: "main", Dirty: &dirty}, Env: map[string]string{"B": "2", "A": ""}, Terminal: &record.Terminal{Streams: []string{"stdin", "stderr"}}, Merged: true,
		Stdin: &record.Stdin{Kind: "file", Path: "/data/in.csv", Size: 12}, RunID: "019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7b", Run: 2, Previous: "def",
		Extra: map[string]json.RawMessage{"zeta": json.RawMessage(`{"b":1,"a":[1.50,"<"]}`), "alpha": json.RawMessage("null")}},
		Extra: map[string]json.RawMessage{"later": json.RawMessage(`1e400`)}}
	if got := encode(t, r); got != string(want) {
		t.Errorf("Encode returns\n%s\nwant\n%s", got, want)
	}
	back := decode(t, string(want))
	if got := encode(t, back); got != string(want) {
		t.Errorf("once read and written again it is\n%s", got)
	}
	line, err := record.EncodeLine(back)
	if err != nil || bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("\n")) {
		t.Errorf("EncodeLine returns %q, %v", line, err)
	}
	if got := encode(t, decode(t, string(line))); got != string(want) {
		t.Errorf("as a line it is\n%s", got)
	}
}

// TestUnknownKeys has a later version's keys survive a reader that does not know
// them.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, top, data string }{
		"top":           {with(t, `"command"`, `"tags":["a", "b"],"command"`), `["a", "b"]`, ""},
		"data":          {with(t, `"pwd"`, `"tags":{"x":1},"pwd"`), "", `{"x":1}`},
		"large numbers": {with(t, `"pwd"`, `"tags":123456789012345678901234567890.10,"pwd"`), "", "123456789012345678901234567890.10"},
	} {
		r := decode(t, c.text)
		again := decode(t, encode(t, r))
		for _, r := range []*record.Record{r, again} {
			if !sameJSON(r.Extra["tags"], c.top) || !sameJSON(r.Data.Extra["tags"], c.data) {
				t.Errorf("%s: tags %q and %q", name, r.Extra["tags"], r.Data.Extra["tags"])
			}
		}
	}
	if r := decode(t, minimal); r.Extra != nil || r.Data.Extra != nil {
		t.Errorf("a record without unknown keys has %v and %v", r.Extra, r.Data.Extra)
	}
}

func sameJSON(got json.RawMessage, want string) bool {
	var g, w bytes.Buffer
	if want == "" || len(got) == 0 {
		return want == string(got)
	}
	return json.Compact(&g, got) == nil && json.Compact(&w, []byte(want)) == nil && g.String() == w.String()
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"nothing": "", "null": "null", "a list": "[]", "cut off": minimal[:len(minimal)-1], "more behind": minimal + "{}", "garbage behind": minimal + "x",
		"unknown key, more behind": with(t, `"command"`, `"x":1,"command"`) + "{}", "no id": with(t, example, ""), "wrong id": with(t, "shell-0", "shell-g"),
		"another executor": with(t, `"executor":"shell"`, `"executor":"slurm"`), "unknown status": with(t, "complete", "done"),
		"no time": with(t, "2026-11-23T09:31:00.578123+01:00", ""), "time without offset": with(t, "+01:00", ""), "time is null": with(t, `"2026-11-23T09:31:00.578123+01:00"`, "null"),
		"wrong type": with(t, `"pid":1`, `"pid":"1"`), "fraction of a pid": with(t, `"pid":1`, `"pid":1.5`), "no data": `{"executor":"shell","uid":"` + example + `","x":1}`,
		"negative run":       with(t, `"pid":1`, `"run":-1,"pid":1`),
		"run without end":    with(t, `"pid":1`, `"run":9223372036854775807,"pid":1`),
		"negative size":      with(t, `"pid":1`, `"stdout":{"size":-1,"sha256":""},"pid":1`),
		"cut beyond the end": with(t, `"pid":1`, `"stdout":{"size":10,"sha256":"","cut":{"offset":9,"bytes":2}},"pid":1`),
		"negative cut":       with(t, `"pid":1`, `"stderr":{"size":10,"sha256":"","cut":{"offset":-1,"bytes":2}},"pid":1`),
		"cut overflows":      with(t, `"pid":1`, `"stderr":{"size":10,"sha256":"","cut":{"offset":9223372036854775807,"bytes":9223372036854775807}},"pid":1`),
	} {
		if r, err := record.Decode([]byte(s)); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%s: Decode returns %v, %v; want record.ErrInvalid", name, r, err)
		}
	}
}

// TestTimesOfFourDigits reads each time of a record at the ends of what can be written.
func TestTimesOfFourDigits(t *testing.T) {
	t.Parallel()
	job := func(members string) string {
		return with(t, `"pid":1`, `"job":{"id":"1","state":"X","final":false,`+members+`},"pid":1`)
	}
	for field, base := range map[string]string{
		"timestamp": with(t, "2026-11-23T09:31:00.578123+01:00", "TIME"),
		"finished":  with(t, `"pid":1`, `"finished":"TIME","pid":1`),
		"submitted": job(`"submitted":"TIME"`), "started": job(`"started":"TIME"`), "ended": job(`"ended":"TIME"`), "checked": job(`"checked":"TIME"`),
		"history": job(`"history":[{"state":"X","at":"TIME"}]`),
	} {
		for at, good := range map[string]bool{
			"9999-12-31T23:59:59-12:00": false, "9999-12-31T23:59:59.999999-00:01": false, "9999-12-31T23:59:59.999999Z": true, "9999-12-31T23:59:59+14:00": true,
			"0000-12-31T23:59:59Z": false, "0001-01-01T00:30:00+01:00": false, "0001-01-01T00:00:00Z": true, "0000-12-31T23:30:00-01:00": true, "2026-11-23T09:31:00+01:00": true,
		} {
			text := strings.Replace(base, "TIME", at, 1)
			if !strings.Contains(text, at) {
				t.Fatalf("%s: %s", field, text)
			}
			r, err := record.Decode([]byte(text))
			if good && err != nil || !good && !errors.Is(err, record.ErrInvalid) {
				t.Errorf("%s %s: Decode returns %v, %v", field, at, r, err)
			}
			if good {
				decode(t, encode(t, r))
			}
			if field == "submitted" || field == "ended" || field == "history" {
				continue // a listing does not read them
			}
			if r, err := record.DecodeBrief([]byte(text)); good && err != nil || !good && !errors.Is(err, record.ErrInvalid) {
				t.Errorf("%s %s: DecodeBrief returns %v, %v", field, at, r, err)
			}
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	base := with(t, `"complete"`, "STATUS")
	for text, want := range map[string]record.Status{`null`: record.None, `"running"`: record.Running, `"complete"`: record.Complete, `"cancelled"`: record.Cancelled} {
		r := decode(t, strings.Replace(base, "STATUS", text, 1))
		if r.Data.Status != want || !strings.Contains(encode(t, r), `"status": `+text+",") {
			t.Errorf("%s is read as %q and written in\n%s", text, r.Data.Status, encode(t, r))
		}
	}
	base = with(t, `"returncode":0`, `"returncode":CODE`)
	for text, want := range map[string]bool{"null": false, "0": false, "1": true, "-1": true} {
		r := decode(t, strings.Replace(base, "CODE", text, 1))
		if r.Failed() != want || !strings.Contains(encode(t, r), `"returncode": `+text+",") {
			t.Errorf("return code %s: failed %v", text, r.Failed())
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-11-23T09:31:00.578123+01:00":    "2026-11-23T09:31:00.578123+01:00",
		"2026-11-23T09:31:00Z":                "2026-11-23T09:31:00.000000+00:00",
		"2026-11-23T09:31:00.5-09:30":         "2026-11-23T09:31:00.500000-09:30",
		"2026-11-23T09:31:00.123456789+00:00": "2026-11-23T09:31:00.123456+00:00",
	} {
		var tm record.Time
		if err := json.Unmarshal([]byte(`"`+in+`"`), &tm); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(tm)
		if err != nil || string(b) != `"`+want+`"` {
			t.Errorf("%s is written as %s, %v; want %s", in, b, err, want)
		}
	}
	now := record.Now()
	b, err := json.Marshal(now)
	if err != nil {
		t.Fatal(err)
	}
	var back record.Time
	if err := json.Unmarshal(b, &back); err != nil || !back.Equal(now.Time) {
		t.Errorf("now is %s, and once written and read %s, %v", now, back, err)
	}
}

func TestStreamNames(t *testing.T) {
	t.Parallel()
	r := new(record.Record)
	out, errs := &record.Stream{Size: 10, Cut: &record.Cut{Offset: 4, Bytes: 3}}, &record.Stream{Size: 10}
	record.Stdout.Set(r, []string{"o"}, out)
	record.Stderr.Set(r, []string{"e"}, errs)
	if lines, s := record.Stdout.Of(r); lines[0] != "o" || s != out || r.Data.Output[0] != "o" || r.Data.Stdout != out {
		t.Errorf("stdout: %v, %v", lines, s)
	}
	if lines, s := record.Stderr.Of(r); lines[0] != "e" || s != errs || r.Data.Error[0] != "e" || r.Data.Stderr != errs {
		t.Errorf("stderr: %v, %v", lines, s)
	}
	if out.Stored() != 7 || errs.Stored() != 10 {
		t.Errorf("stored are %d and %d bytes", out.Stored(), errs.Stored())
	}
}

func FuzzDecode(f *testing.F) {
	full, err := os.ReadFile("testdata/full.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Add([]byte(minimal))
	f.Add([]byte(with(f, `"command"`, `"tags":["a", "b"],"command"`)))
	f.Add([]byte(with(f, `"pid":1`, `"job":{"colour":[[1]]},"pid":1,"x":[[],{},[{}]]`)))
	f.Add([]byte(with(f, `"pwd"`, `"USER":"x","PWD":null,"pwd"`)))
	f.Add([]byte(with(f, `"user":"u"`, "\"u\u017fer\":\"a\",\"user\":\"b\",\"zz\":1")))
	f.Add([]byte(with(f, `"true"`, "\"\xff\\ud800\"")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := record.Decode(b)
		if err != nil {
			if !errors.Is(err, record.ErrInvalid) || r != nil {
				t.Errorf("Decode returns %v, %v", r, err)
			}
			return
		}
		once := encode(t, r)
		if twice := encode(t, decode(t, once)); twice != once {
			t.Errorf("once read and written again\n%s\nis\n%s", once, twice)
		}
	})
}
