package tasks

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"qme/executor/capture"
	"qme/provenance/compare"
	"qme/record"
)

// A print is what a run prints, by which streams, and where they lead.
type print struct {
	out, err string
	terminal bool // both are one terminal
	merged   bool // both are one pipe; out has both
}

// printing runs something that prints, which may have the moment of the run in it (NOW).
func (b *bench) printing(t *testing.T, p print) Version {
	t.Helper()
	b.Run = func(_ context.Context, spec capture.Spec) (*capture.Result, error) {
		now := time.Now().Format(time.RFC3339Nano)
		for _, s := range []struct {
			w    io.Writer
			text string
		}{{spec.Out, p.out}, {spec.Err, p.err}} {
			if s.text == "" {
				continue
			}
			if _, err := io.WriteString(s.w, strings.ReplaceAll(s.text, "NOW", now)); err != nil {
				return nil, err
			}
		}
		return &capture.Result{PID: 1, Duration: time.Second}, nil
	}
	rep := b.run(t)
	v, err := b.Find(string(rep.Record.UID))
	if err != nil {
		t.Fatal(err)
	}
	v.Record.Data.Merged = p.merged || p.terminal
	v.Record.Data.Terminal = &record.Terminal{}
	if p.terminal {
		v.Record.Data.Terminal.Streams = []string{"stdout", "stderr"}
	}
	return v
}

func TestCheckOutput(t *testing.T) {
	long := strings.Repeat("some line\n", 500) // more than the bench keeps
	for name, c := range map[string]struct {
		ref, now print
		verdict  string
		times    int
	}{
		"nothing":               {print{}, print{}, record.CheckEqual, 0},
		"the same":              {print{out: "a\n", err: "b\n"}, print{out: "a\n", err: "b\n"}, record.CheckEqual, 0},
		"times":                 {print{out: "at NOW\n", err: "NOW NOW\n"}, print{out: "at NOW\n", err: "NOW NOW\n"}, record.CheckEqual, 3},
		"another result":        {print{out: "at NOW\n1\n"}, print{out: "at NOW\n2\n"}, record.CheckDiffers, 1},
		"another stream":        {print{out: "a\n"}, print{err: "a\n"}, record.CheckDiffers, 0},
		"the same, cut":         {print{out: long}, print{out: long}, record.CheckEqual, 0},
		"cut in the middle":     {print{out: long + "x" + long}, print{out: long + "y" + long}, record.CheckUnknown, 0},
		"differs before a cut":  {print{out: "x" + long}, print{out: "y" + long}, record.CheckDiffers, 0},
		"times before a cut":    {print{out: "NOW\n" + long}, print{out: "NOW\n" + long}, record.CheckUnknown, 0},
		"colours of a terminal": {print{out: "\x1b[31mred\x1b[m NOW\n", terminal: true}, print{out: "red NOW\n", merged: true}, record.CheckEqual, 1},
		"other colours":         {print{out: "\x1b[31mred\x1b[m\n", terminal: true}, print{out: "\x1b[32mred\x1b[m\n", terminal: true}, record.CheckDiffers, 0},
		"one stream, and two":   {print{out: "a NOW\nb\nc NOW\n", merged: true}, print{out: "a NOW\nc NOW\n", err: "b\n"}, record.CheckEqual, 2},
		"two streams, and one":  {print{out: "a NOW\nc NOW\n", err: "b\n"}, print{out: "a NOW\nb\nc NOW\n", merged: true}, record.CheckEqual, 2},
		"another line of two":   {print{out: "a NOW\nb\nc NOW\n", merged: true}, print{out: "a NOW\nc NOW\n", err: "d\n"}, record.CheckDiffers, 1},
		"a terminal, too long":  {print{out: "x" + long, terminal: true}, print{out: long, err: "x"}, record.CheckUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 0)
			ref, now := b.printing(t, c.ref), b.printing(t, c.now)
			got, err := CheckOutput(ref, now, compare.New(compare.FactsOf(ref.Record), compare.FactsOf(now.Record), compare.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			want := map[compare.Kind]int{}
			if c.times > 0 {
				want[compare.Time] = c.times
			}
			unsaid := got.Verdict == record.CheckDiffers && len(got.Differences) == 0 || got.Verdict == record.CheckUnknown && len(got.Notes) == 0
			if got.Verdict != c.verdict || c.verdict != record.CheckUnknown && !reflect.DeepEqual(got.Masked, want) || unsaid {
				t.Errorf("%+v, not %s with %v", got, c.verdict, want)
			}
		})
	}
}

// TestCheckOutputNamesThePlace finds where the output differs.
func TestCheckOutputNamesThePlace(t *testing.T) {
	b := newBench(t, 0)
	ref, now := b.printing(t, print{out: "at NOW\none 1\n"}), b.printing(t, print{out: "at NOW\none 2\n"})
	got, err := CheckOutput(ref, now, compare.New(compare.FactsOf(ref.Record), compare.FactsOf(now.Record), compare.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	d := got.Differences[0]
	if said := fmt.Sprint(d.Stream, d.Ref.Line, d.Ref.Column, d.Ref.Text, d.Now.Text); said != fmt.Sprint("stdout", 2, 5, "one 1", "one 2") {
		t.Errorf("%s", said)
	}
}
