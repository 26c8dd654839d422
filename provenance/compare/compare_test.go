package compare

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"qme/record"
)

// The two runs of these tests, in two zones: the first from 09:30:00 to 09:30:10 on a Monday, the
// second from 23:59:58 to 00:00:05 in the night to a Friday.
var (
	refFacts = Facts{
		Begin: moscow(2026, 11, 30, 9, 30, 0), End: moscow(2026, 11, 30, 9, 30, 10), Duration: 10 * time.Second,
		Processor: 20 * time.Second, PIDs: []int{4321}, IDs: []string{"019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a"},
		Directory: "/home/ann/fit", Host: "login1",
	}
	nowFacts = Facts{
		Begin: paris(2026, 12, 3, 23, 59, 58), End: paris(2026, 12, 4, 0, 0, 5), Duration: 7 * time.Second,
		Processor: 3 * time.Second, PIDs: []int{56789}, IDs: []string{"019bff00-0000-7d3e-8f40-00000c2d9e7a"},
		Directory: "/home/ann/.qme/check/7/fit", Host: "gpu03",
	}
)

func moscow(y, m, d, h, min, s int) time.Time {
	return time.Date(y, time.Month(m), d, h, min, s, 5e8, time.FixedZone("", 3*3600))
}

func paris(y, m, d, h, min, s int) time.Time {
	return time.Date(y, time.Month(m), d, h, min, s, 5e8, time.FixedZone("", 3600))
}

func TestMasked(t *testing.T) {
	for _, c := range []struct {
		ref, now string
		kinds    string
	}{
		{"at 2026-11-30T09:30:05+03:00.", "at 2026-12-04T00:00:01+01:00.", "time"},
		{"at 2026-11-30T06:30:05.123456Z x", "at 2026-12-03T23:00:01.9Z x", "time"},
		{"2026-11-30 09:30:05,123 INFO a", "2026-12-03 23:59:59,001 INFO a", "time"},
		{"2026-11-30 06:30:05 INFO a", "2026-12-03 22:59:59 INFO a", "time"},
		{"2026-11-30 09:30:05.123456", "2026-12-03 23:59:59", "time"},
		{"2026/11/30 09:30:05 a", "2026/12/04 00:00:05 a", "time"},
		{"2026-11-30 09:30 a", "2026-12-04 00:00 a", "time"},
		{"Mon Nov 30 09:30:01 2026", "Fri Dec  4 00:00:04 2026", "time"},
		{"Mon Nov 30 09:30:01 MSK 2026", "Fri Dec  4 00:00:04 CET 2026", "time"},
		{"Mon Nov 30 06:30:01 UTC 2026", "Fri Dec  4 00:00:04 CET 2026", "time"},
		{"Mon Nov 30 06:30:01 UTC 2026", "Thu Dec  3 23:00:04 UTC 2026", "time"},
		{"Mon Nov 30 09:30:01 AM MSK 2026", "Thu Dec  3 11:59:59 PM CET 2026", "time"},
		{"Mon 30 Nov 2026 09:30:01 AM MSK", "Thu 03 Dec 2026 11:59:59 PM CET", "time"},
		{"Mon, 30 Nov 2026 06:30:01 GMT", "Thu, 03 Dec 2026 23:00:04 GMT", "time"},
		{"Monday, 30 November 2026 06:30:01 GMT", "Thursday, 3 December 2026 23:00:04 GMT", "time"},
		{"[30/Nov/2026:09:30:01 +0300]", "[04/Dec/2026:00:00:04 +0100]", "time"},
		{"30-Nov-2026 09:30:01", "04-Dec-2026 00:00:04", "time"},
		{"11/30/2026 09:30:01", "12/04/2026 00:00:04", "time"},
		{"30/11/2026 09:30:01", "04/12/2026 00:00:04", "time"},
		{"30.11.2026 09:30:01", "04.12.2026 00:00:04", "time"},
		{"Nov 30 09:30:01 host x", "Dec  4 00:00:04 host x", "time"},
		{"-rw-r--r-- 1 a a 5 Nov 30 09:30 f", "-rw-r--r-- 1 a a 5 Dec  4 00:00 f", "time"},
		{"out-20261130T063001Z.log", "out-20261203T230004Z.log", "time"},
		{"out_20261130_093001.log", "out_20261204_000004.log", "time"},
		{"out_2026-11-30_09-30-01.log", "out_2026-12-04_00-00-04.log", "time"},
		{"[09:30:01] a", "[00:00:04] a", "time"},
		{"09:30:01.123 a", "23:59:59.999 a", "time"},
		{"9:30:01 AM", "11:59:59 PM", "time"},
		{"t=1796020201 x", "t=1796338804 x", "time"},
		{"t=1796020201.123456 x", "t=1796338804.9 x", "time"},
		{"t=1796020201123 x", "t=1796338804999 x", "time"},
		{"t=1796020201123456789 x", "t=1796338804999000000 x", "time"},
		{"begin 09:30:01 end 09:30:02", "begin 00:00:01 end 00:00:02", "time time"},

		{"real\t0m9.012s", "real\t0m0.112s", "duration"},
		{"user 19.01\nsys 0.00", "user 2.90\nsys 0.10", "duration duration"},
		{"real 9.01\nuser 0.01\nsys 0.00", "real 6.01\nuser 0.02\nsys 0.01", "duration duration duration"},
		{"took 3.2 s.", "took 998ms.", "duration"},
		{"5 passed in 0.12s ====", "5 passed in 1.02s ====", "duration"},
		{"Elapsed time: 0:00:03", "Elapsed time: 0:00:04", ""},
		{"3.2 seconds elapsed", "4.2 seconds elapsed", "duration"},
		{"1m2s elapsed", "1m3s elapsed", ""},
		{"done (0.5s)", "done (0.6s)", "duration"},
		{"0.00user 0.01system 0:00.01elapsed", "0.01user 0.02system 0:00.03elapsed", "duration duration duration"},
		{"--- PASS: TestA (0.00s)", "--- PASS: TestA (0.01s)", "duration"},
		{"ok  \tqme/a\t0.012s", "ok  \tqme/a\t0.311s", "duration"},
		{"took 1m2s", "took 0m1s", ""},
		{`{"elapsed_ms": 312, "wall_time_s":2.5}`, `{"elapsed_ms": 2000.5, "wall_time_s":3}`, "duration duration"},
		{"30.11.2026 09:30", "04.12.2026 00:00", "time"},
		{"30 Nov 2026 09:30", "4 Dec 2026 00:00", "time"},
		{"Nov 30, 2026 9:30 AM", "Dec 3, 2026 11:59 PM", "time"},
		{"Wall time: 12 ms", "Wall time: 1.1 s", "duration"},

		{"pid 4321!", "pid 56789!", "pid"},
		{"out.4321.log", "out.56789.log", "pid"},
		{"run 019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "run 019bff00-0000-7d3e-8f40-00000c2d9e7a", "id"},
		{"wrote /home/ann/fit/a.csv", "wrote /home/ann/.qme/check/7/fit/a.csv", "directory"},
		{"-I/home/ann/fit file:///home/ann/fit.", "-I/home/ann/.qme/check/7/fit file:///home/ann/.qme/check/7/fit.", "directory directory"},
		{"on login1.example.org", "on gpu03.example.org", "host"},
		{"ann@login1:~", "ann@gpu03:~", "host"},
		{"in /tmp/tmp.aB3dE5gH7j/x", "in /tmp/tmp.Zz9yXx8wVv/x", "temporary"},
		{"in /tmp/tmp1a_b2cde/x", "in /tmp/tmpzyxwvuts/x", "temporary"},
		{"in /var/tmp/foo-aB3dE5.csv", "in /var/tmp/foo-Zz9yXx.csv", "temporary"},
		{"/tmp/go-build123456789/b001", "/tmp/go-build2345678901/b001", "temporary"},
		{"/tmp/ccaB3dE5.o", "/tmp/ccZz9yXx.o", "temporary"},
		{"09:30:01 login1 x[4321]: /home/ann/fit", "00:00:01 gpu03 x[56789]: /home/ann/.qme/check/7/fit", "time host pid directory"},
	} {
		got := New(refFacts, nowFacts, Options{}).Text(c.ref, c.now)
		want := map[Kind]int{}
		for _, k := range strings.Fields(c.kinds) {
			want[Kind(k)]++
		}
		if c.kinds == "" {
			if got.Equal {
				t.Errorf("%q, %q: masked %v", c.ref, c.now, got.Masked)
			}
			continue
		}
		if !got.Equal || !reflect.DeepEqual(got.Masked, want) {
			t.Errorf("%q, %q: equal %v, masked %v, want %s", c.ref, c.now, got.Equal, got.Masked, c.kinds)
		}
		if back := New(nowFacts, refFacts, Options{}).Text(c.now, c.ref); !back.Equal || !reflect.DeepEqual(back.Masked, want) {
			t.Errorf("%q, %q: equal %v, masked %v, want %s", c.now, c.ref, back.Equal, back.Masked, c.kinds)
		}
		if exact := New(refFacts, nowFacts, Options{Exact: true}).Text(c.ref, c.now); exact.Equal || exact.Places() > 0 {
			t.Errorf("%q, %q: exact: %+v", c.ref, c.now, exact)
		}
	}
}

func TestNotMasked(t *testing.T) {
	for _, c := range [][2]string{
		{"2026-11-28,5", "2026-11-29,5"},
		{"2026-11-30", "2026-12-04"},                       // dates alone, though they are those of the runs
		{"20261130", "20261204"},                           // the same
		{"2026-11-30 00:00:00,5", "2026-12-04 00:00:00,5"}, // a column of days; the second began before
		{"2026-11-30T09:29:05+03:00", "2026-12-04T00:00:01+01:00"},
		{"2026-11-30T09:30:05+03:00", "2026-12-04T00:00:06+01:00"},
		{"2026-11-30T09:30:05+04:00", "2026-12-04T00:00:01+01:00"},
		{"2026-11-30 09:30:05", "2026-12-03 22:59:59"},  // in the zone of one run, and in UTC of the other
		{"2026-11-30 06:30:05", "2026-12-03 23:00:01Z"}, // only one has a zone
		{"2025-01-01 09:30:01", "2025-01-01 00:00:01"},  // of another day
		{"2025-01-01,09:30:01,5", "2025-01-01,00:00:01,5"},
		{"2026-11-30 09:30:05 INFO a", "2026-12-04 00:00:01 WARN a"},
		{"2026-11-30 09:30:05", "2026/12/04 00:00:01"}, // in another form
		{"1796020201", "1796020202"},
		{"1796020199", "1796338804"},
		{"x1796020201", "x1796338804"},
		{"half-life 3.2 s", "half-life 3.3 s"},
		{"Time = 0.5 s", "Time = 0.6 s"},
		{"pulse duration: 3 ms", "pulse duration: 4 ms"},
		{"took 3.2 s", "took 7.2 s"},
		{"took 3.2 kg", "took 3.3 kg"},
		{"3 user accounts", "4 user accounts"},
		{"3 elapsed", "4 elapsed"},
		{"real 3.5 imaginary 1", "real 3.6 imaginary 1"},
		{"in 5 m", "in 6 m"},
		{"ok  3.2 s", "ok  3.3 s"},
		{`"elapsed_ms": 11000`, `"elapsed_ms": 12`},
		{`"duration_s": 3`, `"duration_s": 4`},
		{`"elapsed_kg": 3`, `"elapsed_kg": 4`},
		{"took 3", "took 4"},
		{"real 3 x", "imag 3 x"},
		{"4321.5", "56789.5"},
		{"1.4321", "1.56789"},
		{"-4321", "-56789"},
		{"a4321", "a56789"},
		{"4321", "56788"},
		{"/mnt/home/ann/fit/a", "/mnt/home/ann/.qme/check/7/fit/a"},
		{"/home/ann/fitting", "/home/ann/.qme/check/7/fitting"},
		{"xlogin1", "xgpu03"},
		{"login12", "gpu032"},
		{"/tmp/result1", "/tmp/result2"},
		{"/tmp/ModelAlpha", "/tmp/ModelGamma"},
		{"/tmp/tmpresults1", "/tmp/tmpresults2"},
		{"/tmp/out-20261130", "/tmp/out-20261204"},
		{"/tmp/build-3f2a9c1", "/tmp/build-d45f0e2"},
		{"/home/tmp.aB3dE5gH7j", "/home/tmp.Zz9yXx8wVv"},
		{"/tmp/tmp.aB3dE5gH7j /tmp/tmp.aB3dE5gH7j", "/tmp/tmp.Zz9yXx8wVv /tmp/tmp.Yy9yXx8wVv"},
		{"/tmp/tmp.aB3dE5gH7j /tmp/tmp.cC3dE5gH7j", "/tmp/tmp.Zz9yXx8wVv /tmp/tmp.Zz9yXx8wVv"},
		{"a\n", "a"},
		{"a", "a\n"},
		{"", "a"},
		{"caf\u00e9", "cafe"},
	} {
		for _, o := range []Options{{}, {Exact: true}, {Tolerance: 1e-6}} {
			if got := New(refFacts, nowFacts, o).Text(c[0], c[1]); got.Equal || len(got.Differences) == 0 {
				t.Errorf("%q, %q: equal with %+v, masked %v", c[0], c[1], o, got.Masked)
			}
		}
	}
}

// TestLongRuns: a time without a date shows nothing of a run that has seen each time of the day.
func TestLongRuns(t *testing.T) {
	ref, now := refFacts, nowFacts
	ref.End, now.End = ref.Begin.Add(30*time.Hour), now.Begin.Add(25*time.Hour)
	if got := New(ref, now, Options{}).Text("09:30:01", "23:59:59"); got.Equal {
		t.Errorf("%+v", got)
	}
	if got := New(ref, now, Options{}).Text("Nov 30 09:30:01", "Dec  3 23:59:59"); !got.Equal {
		t.Errorf("%+v", got)
	}
}

func TestSmallPIDs(t *testing.T) {
	ref, now := Facts{PIDs: []int{7}}, Facts{PIDs: []int{12}}
	for _, c := range []struct {
		ref, now string
		equal    bool
	}{
		{"7 rows", "12 rows", false},
		{"pid 7 rows", "pid 12 rows", true},
		{"Process: 7", "Process: 12", true},
		{"a[7]: x", "a[12]: x", true},
		{"pid 7 7", "pid 12 12", false},
	} {
		if got := New(ref, now, Options{}).Text(c.ref, c.now); got.Equal != c.equal {
			t.Errorf("%q, %q: %+v", c.ref, c.now, got)
		}
	}
}

func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		ref, now string
		equal    bool
	}{
		{"x 1.0000001", "x 1.0000002", true},
		{"x 1.00001", "x 1.00002", false},
		{"x 1000000", "x 1000001", false},
		{"x 1000000", "x 1000000.1", true},
		{"x 20261128", "x 20261129", false},
		{"-1.5e-3,2", "-0.0015,2", true},
		{"1e-17", "-1e-17", true},
		{"[ 1e-17 2.0]", "[-1e-17 2.0]", true},
		{"0.0", "1e-11", false},
		{"1e-9", "2e-9", false},
		{"nan", "NaN", true},
		{"nan", "1.5", false},
		{"inf", "Infinity", true},
		{"inf", "-inf", false},
		{"inf", "1e308", false},
		{"1e999", "inf", false},
		{"a  9.9999999 b", "a 10.0000000 b", true},
		{"  9.9999999", " 10.0000000", true},
		{`{"a":1.5,"b":[2.00000001]}`, `{"a":1.50000001,"b":[2.0]}`, true},
		{`{"a":1.5,"b":2}`, `{"b":2,"a":1.5}`, false},
		{`"1.5";"2.25"`, `"1.5000001";"2.2500001"`, true},
		{"v1.2.3", "v1.2.4", false},
		{"1.5.1", "1.5.2", false},
		{"28.11.2026", "29.11.2026", false},
		{"x1.5000001", "x1.5000002", false},
		{"1.5e", "1.50e", false},
		{"1.5%", "1.50000001%", true},
		{"name nano", "name nana", false},
		{"5", "5.", true},
		{".5", "0.5", true},
		{"12:30:45.0000001", "12:30:45.0000002", false},
	} {
		for _, pair := range [][2]string{{c.ref, c.now}, {c.now, c.ref}} {
			got := New(Facts{}, Facts{}, Options{Tolerance: 1e-6}).Text(pair[0], pair[1])
			if got.Equal != c.equal || got.Equal && got.Masked[Number] == 0 {
				t.Errorf("%q, %q: %+v", pair[0], pair[1], got)
			}
		}
		if New(Facts{}, Facts{}, Options{}).Text(c.ref, c.now).Equal {
			t.Errorf("%q, %q: equal without tolerance", c.ref, c.now)
		}
	}
}

func TestDifferences(t *testing.T) {
	r := New(refFacts, nowFacts, Options{}).Text("one\ntwo 2\n09:30:01\nthree 3\nfour\nx", "one\ntwo 5\n00:00:01\nthree 4\nfour")
	want := []Difference{
		{Place{2, 5, 8, "two 2", false}, Place{2, 5, 8, "two 5", false}},
		{Place{4, 7, 25, "three 3", false}, Place{4, 7, 25, "three 4", false}},
		{Place{5, 5, 31, "four", false}, Place{5, 5, 31, "four", true}},
	}
	if !reflect.DeepEqual(r.Differences, want) || r.Equal || r.More || r.Masked[Time] != 1 {
		t.Errorf("%+v", r)
	}
	r = New(refFacts, nowFacts, Options{}).Text("09:30:01 a\n09:30:01 b\n\nc\nd\ne\n", "00:00:01 new\n00:00:01 a\n00:00:02 b\n\nc 1\nd\n")
	var found []string
	for _, d := range r.Differences {
		found = append(found, fmt.Sprint(d.Ref.Line, d.Ref.Text, " ", d.Now.Line, d.Now.Text))
	}
	if want := []string{"109:30:01 a 100:00:01 new", "4c 5c 1", "6e 7"}; !reflect.DeepEqual(found, want) {
		t.Errorf("lines that are new: %q, want %q", found, want)
	}
	far := strings.Repeat("x", 20_000)
	if r = New(refFacts, nowFacts, Options{}).Text(far+"1\n"+far+"\na", far+"2\na"); len(r.Differences) != 3 {
		t.Errorf("long lines: %+v", r)
	}
	a, b := strings.Repeat("a\n", 9), strings.Repeat("b\n", 9)
	if r = New(refFacts, nowFacts, Options{}).Text(a, b); len(r.Differences) != MostDifferences || !r.More {
		t.Errorf("%+v", r)
	}
	long := strings.Repeat("x", 100_000)
	r = New(refFacts, nowFacts, Options{}).Text(long+"1"+long, long+"2"+long)
	d := r.Differences[0]
	if d.Ref.Column != 100_001 || len(d.Ref.Text) > 200 || !strings.Contains(d.Ref.Text, "x1x") || !strings.Contains(d.Now.Text, "x2x") {
		t.Errorf("%+v", d)
	}
}

func TestBinary(t *testing.T) {
	many := strings.Repeat("09:30:01\n", 100_000)
	for _, c := range []struct {
		ref, now string
		offset   int64
	}{
		{"a\x00b 9:30", "a\x00b 8:30", 4},
		{"9:30:01 AM \x00", "11:59:59 PM \x00", 0},
		{"a", "a\x00", 1},
		{many + "\x00", strings.ReplaceAll(many, "09:30", "00:00") + "\x00", 1},
		{many + "\x00a" + many, many + "\x00b" + many, int64(len(many)) + 1},
	} {
		r := New(refFacts, nowFacts, Options{Tolerance: 1e-6}).Text(c.ref, c.now)
		if !r.Binary || r.Equal || len(r.Differences) != 1 || r.Differences[0].Ref.Offset != c.offset || r.Places() != 0 {
			t.Errorf("%.20q: %+v", c.ref, r)
		}
	}
	same := strings.Repeat("\x00abc", 200_000)
	r, err := New(refFacts, nowFacts, Options{}).Compare(Content{Reader: strings.NewReader(same)}, Content{Reader: iotest.OneByteReader(strings.NewReader(same))})
	if !r.Equal || err != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCut(t *testing.T) {
	text := strings.Repeat("some line\n", 10_000)
	for _, c := range []struct {
		ref, now       string
		unknown, equal bool
	}{
		{text, text, true, false},
		{text[:50_000], text, true, false},
		{text, text[:50_000], false, false}, // the reference alone was cut: the other ended before
		{"x" + text[1:], text, false, false},
		{"\x00" + text, "\x00" + text, true, false},
	} {
		r, err := New(refFacts, nowFacts, Options{}).Compare(Content{strings.NewReader(c.ref), true}, Content{Reader: strings.NewReader(c.now)})
		if r.Unknown != c.unknown || r.Equal != c.equal || err != nil {
			t.Errorf("%d, %d: %+v, %v", len(c.ref), len(c.now), r, err)
		}
	}
}

func TestReaderFails(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF))
	for _, other := range []string{"abc", "abx", "abcdef"} {
		if r, err := New(refFacts, nowFacts, Options{}).Compare(Content{Reader: strings.NewReader(other)}, Content{Reader: broken}); err == nil && r.Equal {
			t.Errorf("%q: %+v", other, r)
		}
	}
}

func TestFactsOf(t *testing.T) {
	end, code := record.Time{Time: nowFacts.End}, 0
	r := &record.Record{Data: record.Data{PWD: "/home/ann/fit", Timestamp: record.Time{Time: nowFacts.Begin}, Finished: &end, Duration: 6.5, PID: 17, Host: "gpu03", ReturnCode: &code,
		RunID: "019bff00-0000-7d3e-8f40-00000c2d9e7a", Usage: &record.Usage{User: 1, System: 0.5}, Env: map[string]string{"TMPDIR": "/scratch/ann/"}}}
	want := Facts{Begin: nowFacts.Begin, End: nowFacts.End, Duration: 6500 * time.Millisecond, Processor: 1500 * time.Millisecond, PIDs: []int{17},
		IDs: []string{"019bff00-0000-7d3e-8f40-00000c2d9e7a"}, Directory: "/home/ann/fit", Host: "gpu03", Temporary: []string{"/scratch/ann"}}
	if got := FactsOf(r); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	started, ended := record.Time{Time: nowFacts.End}, record.Time{Time: nowFacts.End.Add(time.Hour)}
	r.Data.Job = &record.Job{ID: "4711", Started: &started, Ended: &ended, Elapsed: 3600, CPUTime: 7200}
	want.End, want.Duration, want.Processor, want.IDs = ended.Time, time.Hour, 2*time.Hour, append(want.IDs, "4711")
	if got := FactsOf(r); !reflect.DeepEqual(got, want) {
		t.Errorf("with a job: %+v, want %+v", got, want)
	}
	r = &record.Record{Data: record.Data{Duration: 1e300, Env: map[string]string{"TMPDIR": "/"}}}
	if got := FactsOf(r); got.Duration != 0 || got.Temporary != nil || New(got, got, Options{}).Text("took 1 s", "took 2 s").Equal {
		t.Errorf("of a record that cannot be: %+v", got)
	}
}

// randomText returns lines as a run prints them, with its own facts at some places.
func randomText(r *rand.Rand, lines int, facts *Facts, words []string) string {
	var b strings.Builder
	for range lines {
		for range r.IntN(6) {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteByte(" ,;\t:="[r.IntN(6)])
		}
		switch r.IntN(8) {
		case 0:
			b.WriteString(facts.Begin.Add(time.Duration(r.Int64N(int64(facts.Duration)))).Format(time.RFC3339Nano))
		case 1:
			b.WriteString(facts.Directory + "/x")
		case 2:
			b.WriteString(facts.Host)
		case 3:
			fmt.Fprintf(&b, "took %.3f s", facts.Duration.Seconds()*r.Float64())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

var propertyWords = []string{"alpha", "3.14", "17", "x", "2026-11-28", "2020-01-01 10:00:00", "-1e5", "/tmp/out", "12:30:45", "\u00e9", "a.b", "9"}

// TestProperties: texts of two runs that differ only in what is their own are equal, in both
// directions, and a digit that differs elsewhere is a difference.
func TestProperties(t *testing.T) {
	for seed := range uint64(300) {
		pick := func() *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
		lines := 1 + int(seed%40)
		ref, now := randomText(pick(), lines, &refFacts, propertyWords), randomText(pick(), lines, &nowFacts, propertyWords)
		if r := New(refFacts, refFacts, Options{}).Text(ref, ref); !r.Equal || r.Places() > 0 {
			t.Fatalf("seed %d: not equal to itself: %+v", seed, r)
		}
		forth, back := New(refFacts, nowFacts, Options{}).Text(ref, now), New(nowFacts, refFacts, Options{}).Text(now, ref)
		if !forth.Equal || !back.Equal || !reflect.DeepEqual(forth.Masked, back.Masked) {
			t.Fatalf("seed %d: %+v\n%+v", seed, forth, back)
		}
		at := len(now) - 1 // the end of any line
		for range pick().IntN(lines) {
			at = strings.LastIndexByte(now[:at], '\n')
		}
		changed := now[:at] + " #7" + now[at:]
		if r := New(refFacts, nowFacts, Options{Tolerance: 1e-6}).Text(ref, changed); r.Equal {
			t.Fatalf("seed %d: a difference vanished at %d: %q", seed, at, changed)
		}
	}
}

// TestChangedDigit: no digit of a text in which nothing is of the runs can change without being found.
func TestChangedDigit(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		text := []byte(randomText(r, 5, &Facts{Begin: time.Unix(0, 0), Duration: time.Second, Directory: "/other", Host: "other"}, propertyWords))
		text = bytes.ReplaceAll(text, []byte("took "), nil)
		for i, c := range text {
			if !digit(c) {
				continue
			}
			other := bytes.Clone(text)
			other[i] = '0' + (c-'0'+1+byte(r.IntN(9)))%10
			if got := New(refFacts, nowFacts, Options{}).Text(string(text), string(other)); got.Equal {
				t.Fatalf("seed %d: %q, %q: masked %v", seed, text, other, got.Masked)
			}
		}
	}
}

// TestSteps: the work grows with the contents, not with their square, also where all places differ and
// are masked.
func TestSteps(t *testing.T) {
	for _, lines := range [][2]string{
		{"09:30:01 ", "00:00:01 "},
		{"/tmp/tmp.aB3dE5gH7j/" + strings.Repeat("y", 900) + "/login1 ", "/tmp/tmp.Zz9yXx8wVv/" + strings.Repeat("y", 900) + "/gpu03 "},
		{"login1\n", "gpu03\n"},
		{"1.00000001 ", "1.00000002 "},
		{"/home/ann/fit ", "/home/ann/.qme/check/7/fit "},
	} {
		steps := func(n int) int {
			p := New(refFacts, nowFacts, Options{Tolerance: 1e-6})
			if r := p.Text(strings.Repeat(lines[0], n), strings.Repeat(lines[1], n)); !r.Equal {
				t.Fatalf("%q: %+v", lines[0], r)
			}
			return p.steps
		}
		if once, twice := steps(5000), steps(10000); twice > 2*once+1000 {
			t.Errorf("%.20q: %d steps, and %d for twice as much", lines[0], once, twice)
		}
	}
}

// TestMemory: what is compared is not kept.
func TestMemory(t *testing.T) {
	line := strings.Repeat("some text, 0.5;", 5000) + "\n" + strings.Repeat("0.25\n", 5000)
	many := func() Content {
		var list []io.Reader
		for range 500 { // 50 MB
			list = append(list, strings.NewReader(line))
		}
		return Content{Reader: io.MultiReader(list...)}
	}
	ref, now := many(), many()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := New(refFacts, nowFacts, Options{}).Compare(ref, now)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; !r.Equal || err != nil || used > 2<<20 {
		t.Errorf("%+v, %v: %d bytes of memory", r, err, used)
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("at 2026-11-30T09:30:05+03:00 x", "at 2026-12-04T00:00:01+01:00 x", false)
	f.Add("took 3.2 s /tmp/tmp.aB3dE5gH7j\n4321", "took 5 ms /tmp/tmp.Zz9yXx8wVv\n56789", true)
	f.Add("a\x00", "a\x01", false)
	f.Fuzz(func(t *testing.T, a, b string, tolerance bool) {
		o := Options{}
		if tolerance {
			o.Tolerance = 1e-3
		}
		forth, back := New(refFacts, nowFacts, o).Text(a, b), New(nowFacts, refFacts, o).Text(b, a)
		if forth.Equal != back.Equal || forth.Equal && !reflect.DeepEqual(forth.Masked, back.Masked) {
			t.Errorf("%+v\n%+v", forth, back)
		}
		if forth.Equal && forth.Places() == 0 && a != b {
			t.Errorf("%q, %q: equal, and nothing masked", a, b)
		}
		if New(refFacts, nowFacts, Options{Exact: true}).Text(a, b).Equal != (a == b) {
			t.Errorf("%q, %q: exact", a, b)
		}
		pieces, err := New(refFacts, nowFacts, o).Compare(Content{Reader: iotest.OneByteReader(strings.NewReader(a))}, Content{Reader: iotest.HalfReader(strings.NewReader(b))})
		if err != nil || pieces.Equal != forth.Equal || a != b && !reflect.DeepEqual(pieces, forth) {
			t.Errorf("%+v in pieces, %v: %+v", forth, err, pieces)
		}
	})
}
