package metric

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"qme/internal/visible"
	"qme/record"
)

// told returns metrics as "name=value@step take".
func told(list record.Metrics) string {
	var texts []string
	for _, m := range list {
		text := m.Name + "=" + string(m.Value)
		if m.Step != "" {
			text += "@" + string(m.Step)
		}
		if m.Take != record.TakeLast && m.Take != "" {
			text += " " + m.Take
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

func TestLinesByThemselves(t *testing.T) {
	for text, want := range map[string]string{
		"acc: 0.91":                                "acc=0.91",
		"acc=0.91\n":                               "acc=0.91",
		"acc : 0.91":                               "acc=0.91",
		"loss: 0.5\nloss: 0.4\nloss: 0.6":          "loss=0.6",
		"epoch 3 loss=0.4 acc: 0.91":               "loss=0.4@3; acc=0.91@3",
		"step=10, loss=0.5":                        "loss=0.5@10",
		"loss=0.5, step=10":                        "loss=0.5@10",
		"Epoch 3/10 - loss: 0.30 - acc: 0.91":      "loss=0.30@3; acc=0.91@3",
		"Epoch [1/10], Step [100/600], Loss: 0.25": "Loss=0.25@1",
		"[12]\ttrain-rmse:0.48\teval-rmse:0.50":    "train-rmse=0.48@12; eval-rmse=0.50@12",
		"iteration: 7 | val/loss = -1e-5":          "val/loss=-1e-5@7",
		"{'loss': 0.5, 'epoch': 0.25}":             "loss=0.5@0.25",
		`{"loss": 3e-4, "lr": NaN}`:                "loss=3e-4; lr=NaN",
		"loss: nan":                                "loss=nan",
		"loss: -nan":                               "loss=-nan",
		"loss: inf":                                "loss=inf",
		"loss: -Infinity":                          "loss=-Infinity",
		"a=1,b=2":                                  "a=1; b=2",
		"\x1b[32macc: 0.91\x1b[0m":                 "acc=0.91",
		"1 loss=3\rloss=2\rloss=1\n":               "loss=1",
		"loss=2\rloss=1\r\n":                       "loss=1",
		"loss=2\rdone\n":                           "",
		"a=0.5\b\b\b0.6":                           "a=0.6",
		"acc: 91.2%":                               "",
		"time: 3.2s":                               "",
		"acc: 1,000.5":                             "",
		"acc: 1_000":                               "",
		"acc: 0x10":                                "",
		"the acc: 0.91":                            "",
		"acc: 0.91 (best)":                         "",
		"Listening on port: 8080":                  "",
		"localhost:8080":                           "",
		"main.go:12":                               "",
		"http://example.org:80":                    "",
		"12:30:05 loss=0.3":                        "",
		"2026-11-30 loss: 0.3":                     "",
		"date: 2026-11-30":                         "",
		"time: 12:30":                              "",
		"version: 1.2.3":                           "",
		"epoch 3":                                  "",
		"step: 10":                                 "",
		"epoch 3: loss 0.5":                        "",
		"3 = 3":                                    "",
		"a = b = 3":                                "",
		"{'a': {'b': 1}}":                          "",
		"{a: 1}":                                   "",
		"{'a: 1}":                                  "",
		"[x] a=1":                                  "",
		"":                                         "",
		"=":                                        "",
		"a=":                                       "",
		"a=1 -":                                    "a=1",
		"a=1 -b=2":                                 "",
		"ä=1":                                      "",
		"a=1\xff":                                  "",
	} {
		whole := NewScanner(nil, true)
		whole.Text(text)
		if got := told(whole.Metrics()); got != want {
			t.Errorf("%q has %s, want %s", text, got, want)
		}
		if plain := NewScanner(nil, true); visible.Text(text) == text {
			plain.Visible(text)
			if got := told(plain.Metrics()); got != want {
				t.Errorf("%q as it is visible has %s, want %s", text, got, want)
			}
		}
		bytewise := NewScanner(nil, true)
		if err := bytewise.Read(iotest.OneByteReader(strings.NewReader(text))); err != nil {
			t.Fatal(err)
		}
		if got := told(bytewise.Metrics()); got != want {
			t.Errorf("%q byte by byte has %s, want %s", text, got, want)
		}
	}
}

// curve gets worse after its best.
const curve = `epoch 1 loss=0.9 acc=0.5
epoch 2 loss=0.4 acc=0.8
epoch 3 loss=0.3 acc=0.91
epoch 4 loss=nan acc=0.91
epoch 5 loss=0.7 acc=0.6
`

func TestTakes(t *testing.T) {
	const nans, inf, huge = "x=nan\nx=NaN\n", "x=1\nx=inf\n", "x=1.7e308\nx=1.7e308\n"
	for _, c := range []struct{ text, spec, want string }{
		{curve, "acc", "acc=0.6@5"},
		{curve, "acc max", "acc=0.91@3 max"},
		{curve, "acc min", "acc=0.5@1 min"},
		{curve, "acc first", "acc=0.5@1 first"},
		{curve, "loss min", "loss=0.3@3 min"},
		{curve, "loss mean", "loss=0.575 mean"},
		{curve, `best=epoch (?P<step>\d+).*acc=(\S+) max`, "best=0.91@3 max"},
		{curve, `best=acc=(?P<value>\S+) max`, "best=0.91 max"},
		{curve, `loss=epoch 4 loss=(\S+)`, "loss=nan"},
		{curve, `whole=acc=0\.9\d*`, "whole=acc=0.91"},
		{curve, `whole=acc=0\.9\d* max`, ""},
		{curve, `none=bla (\d+)`, ""},
		{curve, `maybe=(never)?epoch`, ""},
		{nans, "x max", "x=nan max"},
		{nans, "x mean", "x=NaN mean"},
		{"x=nan\nx=2\n", "x min", "x=2 min"},
		{inf, "x mean", "x=+Inf mean"},
		{inf + "x=-inf", "x mean", "x=NaN mean"},
		{huge, "x mean", "x=1.7e+308 mean"},
		{"acc: 1,000.5\n", `acc=acc: (.*)`, "acc=1,000.5"},
		{"acc: 1,000.5\n", `acc=acc: (.*) max`, ""},
		{"acc: 91.2%\nacc: 90%\n", `acc=([0-9.]+)% max`, "acc=91.2 max"},
		{"a 1 a 2 a 3\n", `a=a (\d) max`, "a=3 max"},
		{"a=1\nb=2\n", "a max", "a=1 max"},
	} {
		spec, err := Parse(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		s := NewScanner([]Spec{spec}, false)
		s.Text(c.text)
		if got := told(s.Metrics()); got != c.want {
			t.Errorf("%s has %s, want %s", c.spec, got, c.want)
		}
		if again, err := Parse(spec.String()); err != nil || again.String() != spec.String() || again.Pattern != spec.Pattern || again.Take != spec.Take {
			t.Errorf("%s is read again as %s, %v", spec, again, err)
		}
		for _, m := range s.Metrics() {
			if again, ok, err := Again(m); err != nil || !ok || again.String() != spec.String() {
				t.Errorf("%s is asked for again as %s, %v, %v", spec, again, ok, err)
			}
		}
	}
}

func TestAskedForAndOthers(t *testing.T) {
	specs, err := ParseAll([]string{"acc max", `loss=missing (\d+)`})
	if err != nil {
		t.Fatal(err)
	}
	s := NewScanner(specs, true)
	s.Text(curve + "size=3\n")
	if got, want := told(s.Metrics()), "acc=0.91@3 max; size=3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := told(Join(record.Metrics{{Name: "a", Value: "1"}}, record.Metrics{{Name: "b", Value: "2"}, {Name: "a", Value: "3"}})); got != "a=1; b=2" {
		t.Error(got)
	}
}

func TestSpecsAreRefused(t *testing.T) {
	for _, bad := range []string{"", "=x", "a=", "a b=x", "1=x", "a=(", "a=[ max", "a=x\ny", "a=\xff", "a=" + strings.Repeat("x", LongestPattern+1), "a=(x{1000}){1000}"} {
		if s, err := Parse(bad); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%.40q is %v, %v", bad, s, err)
		}
	}
	if _, err := Parse("a=("); err == nil || !strings.Contains(err.Error(), "NAME=REGEX") {
		t.Errorf("%v does not say how it is written", err)
	}
	if _, err := ParseAll([]string{"a", "a max"}); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("twice: %v", err)
	}
	for text, want := range map[string]string{"acc": "acc|| last", "acc=x max": "acc|x| max", "a=b last last": "a|b last| last", "a=x maximum": "a|x maximum| last", "max max": "max|| max"} {
		s, err := Parse(text)
		if got := s.Name + "|" + s.Pattern + "| " + s.Take; err != nil || got != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
}

func TestBounds(t *testing.T) {
	long := strings.Repeat("x", LongestLine)
	spec, err := Parse(`v=v=(\w+)`)
	if err != nil {
		t.Fatal(err)
	}
	text := "a=1" + strings.Repeat(" ", LongestLine) + "\nb=2\n" + long + "\rc=3\n" + "v=" + strings.Repeat("1", 101) + "\n" + strings.Repeat("p=1\r", LongestLine) + "p=2\n"
	for name, read := range map[string]func(*Scanner) error{
		"text":   func(s *Scanner) error { s.Text(text); return nil },
		"reader": func(s *Scanner) error { return s.Read(strings.NewReader(text)) },
	} {
		s := NewScanner([]Spec{spec}, true)
		if err := read(s); err != nil {
			t.Fatal(err)
		}
		if got := told(s.Metrics()); got != "b=2; c=3; p=2" || s.Skipped() != 2 {
			t.Errorf("%s has %s, and %d were skipped", name, got, s.Skipped())
		}
		if cap(s.line) > 2*LongestLine {
			t.Errorf("%d bytes are kept", cap(s.line))
		}
	}
	s := NewScanner(nil, true)
	for i := range 300 {
		s.Text("m" + strings.Repeat("x", i%90) + strings.Repeat("y", i/90) + "=1\n")
	}
	if n := len(s.Metrics()); n != record.MostMetrics || s.LeftOut() != 100 {
		t.Errorf("%d, and %d are left out", n, s.LeftOut())
	}
	if err := s.Read(iotest.ErrReader(errors.New("broken"))); err == nil {
		t.Error("an error was swallowed")
	}
}

// TestGap leaves out what a missing part of the output could have changed.
func TestGap(t *testing.T) {
	for _, c := range []struct{ before, after, spec, want, unknown string }{
		{"a=1\na=2", "3\na=4\n", "a", "a=4", ""},
		{"a=1\na=2\n", "a=3\nb=1\n", "a", "", "a"},
		{"a=1\n", "x\na=3\n", "a first", "a=1 first", ""},
		{"a=1", "x\na=3\n", "a first", "", "a"},
		{"a=1\n", "x\na=3\n", "a max", "", "a"},
		{"a=1\n", "x\na=3\n", "a mean", "", "a"},
	} {
		specs, err := ParseAll([]string{c.spec})
		if err != nil {
			t.Fatal(err)
		}
		s := NewScanner(specs, false)
		err = s.Read(strings.NewReader(c.before))
		s.Gap()
		if err = errors.Join(err, s.Read(strings.NewReader(c.after))); err != nil {
			t.Fatal(err)
		}
		if got, unknown := told(s.Metrics()), strings.Join(s.Unknown(), " "); got != c.want || unknown != c.unknown {
			t.Errorf("%q, %q: %s has %s, unknown are %q", c.before, c.after, c.spec, got, unknown)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add(curve, "acc=acc=(\\S+) max", 3)
	f.Add("a=1\r\nb=2\rc=3\x1b[2K\x1b[Gd=4\b5", "x", 1)
	f.Add("[1]\ta:0.5", "a min", 2)
	f.Fuzz(func(t *testing.T, text, spec string, size int) {
		var specs []Spec
		if s, err := Parse(spec); err == nil {
			specs = append(specs, s)
		} else if !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%q: %v", spec, err)
		}
		whole := NewScanner(specs, true)
		whole.Text(text)
		pieces := NewScanner(specs, true)
		for rest := []byte(text); len(rest) > 0; {
			n := min(len(rest), max(1, size%100))
			pieces.write(rest[:n])
			rest = rest[n:]
		}
		if a, b := told(whole.Metrics()), told(pieces.Metrics()); a != b || whole.Skipped() != pieces.Skipped() {
			t.Errorf("%q has %s as a whole, and %s in pieces", text, a, b)
		}
		for _, m := range whole.Metrics() {
			if err := record.CheckMetricName(m.Name); err != nil || m.Value == "" {
				t.Errorf("%q has the metric %v: %v", text, m, err)
			}
		}
	})
}

// Text is Read of a whole stream, in another way.
func (s *Scanner) Text(text string) {
	for text != "" {
		end := strings.IndexByte(text, '\n')
		if end < 0 {
			end = len(text)
		}
		if line := lastWritten(text[:end]); len(line) > LongestLine {
			s.skipped++
		} else {
			s.shown(line)
		}
		text = text[min(end+1, len(text)):]
	}
}

// lastWritten returns what was last on a line.
func lastWritten(line string) string {
	line = strings.TrimRight(line, "\r")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

var training = strings.Repeat("epoch 3/10 loss=0.40123 acc=0.9012 val_loss: 0.5123 lr: 3e-4\nSaving the model to checkpoints/3.pt\n", 100)

// BenchmarkPattern looks for one metric in the same.
func BenchmarkPattern(b *testing.B) {
	spec, err := Parse("acc=acc=([0-9.]+) max")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(training)))
	for b.Loop() {
		s := NewScanner([]Spec{spec}, true)
		s.Visible(training)
		s.Metrics()
	}
}

// BenchmarkVisible looks through 10 KB of what a training prints.
func BenchmarkVisible(b *testing.B) {
	b.SetBytes(int64(len(training)))
	for b.Loop() {
		s := NewScanner(nil, true)
		s.Visible(training)
		s.Metrics()
	}
}
