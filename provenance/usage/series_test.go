package usage

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"qme/record"
)

func TestSeriesIsBounded(t *testing.T) {
	var s Series
	joined := 0
	for i := 1; i <= 5000; i++ {
		x := Sample{Time: float64(i), User: 0.5, Memory: int64(i % 7), Read: 1, Written: 2, Processes: i % 5}
		if i == 1234 {
			x.Memory, x.Processes = 99, 77
		}
		if s.add(x) {
			joined++
		}
		if len(s.Samples) >= Most {
			t.Fatalf("there are %d samples", len(s.Samples))
		}
	}
	var sum Sample
	for _, x := range s.Samples {
		sum = join(sum.Time, sum, x)
	}
	if want := (Sample{Time: 5000, User: 2500, Memory: 99, Read: 5000, Written: 10000, Processes: 77}); sum != want {
		t.Errorf("together: %+v", sum)
	}
	if joined == 0 || len(s.Samples) < Most/3 {
		t.Errorf("%d times joined, %d samples are left", joined, len(s.Samples))
	}
}

func TestStoredForm(t *testing.T) {
	s := &Series{Samples: []Sample{{Time: 1.0004, User: 0.98, Memory: 1 << 33, Read: 5, Written: 6, Processes: 3}, {Time: 2, Processes: 1}}}
	text := "time,user,system,memory,read,written,processes\n1,0.98,0,8589934592,5,6,3\n2,0,0,0,0,0,1\n"
	if got := string(s.Encode()); got != text {
		t.Errorf("encoded: %q", got)
	}
	s.Samples[0].Time = 1
	back, err := Parse([]byte(text))
	if err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("parsed: %+v, %v", back, err)
	}
	s.GPU, s.Samples[1].GPU, s.Samples[1].GPUMemory = true, 1.5, 7
	if back, err = Parse(s.Encode()); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("with GPUs: %+v, %v", back, err)
	}
	// A later version may have further columns, and a kill leaves a line that is not whole.
	back, err = Parse([]byte("time,user,system,memory,read,written,processes,watts\n1,0,0,0,0,0,1,50\n2,0,"))
	if err != nil || len(back.Samples) != 1 {
		t.Errorf("parsed: %+v, %v", back, err)
	}
}

func TestBadForms(t *testing.T) {
	head, many := columns+"\n", columns+"\n"
	for i := range Most + 1 {
		many += fmt.Sprintf("%d,0,0,0,0,0,1\n", i+1)
	}
	for _, bad := range []string{
		"", "time\n1\n", columns, head + "1,0,0,0,0,0\n", head + "1,0,0,0,0,0,1,2\n", head + "1,NaN,0,0,0,0,1\n", head + "1,-1,0,0,0,0,1\n",
		head + "1,0,0,-1,0,0,1\n", head + "1,0,0,0,0,0,99999999999\n", head + "2,0,0,0,0,0,1\n2,0,0,0,0,0,1\n", head + "1e300,0,0,0,0,0,1\n",
		many, head + strings.Repeat("x", longest),
	} {
		if s, err := Parse([]byte(bad)); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%.80q: %+v, %v", bad, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(columns + gpuColumns + "\n1,0.98,0,8589934592,5,6,3,0.5,1\n2,0,0,0,0,0,1,0,0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		for i := 1; i < len(s.Samples); i++ {
			if s.Samples[i].Time <= s.Samples[i-1].Time {
				t.Error("the times do not grow")
			}
		}
		var u record.Usage
		whole, err := Salvage(&u, b)
		if again, perr := Parse(whole); err != nil || perr != nil || len(again.Samples) != u.Samples {
			t.Error(err, perr)
		}
	})
}

// The curve of memory has the most of each period, and repeats it where there is no sample.
func TestMemory(t *testing.T) {
	s := &Series{Samples: []Sample{{Time: 1, Memory: 5}, {Time: 2, Memory: 7}, {Time: 9, Memory: 1}, {Time: 10, Memory: 3}}}
	for n, want := range map[int][]int64{1: {7}, 2: {7, 3}, 4: {7, 7, 7, 3}, 50: {7, 7, 7, 3}} {
		if got := s.Memory(n); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
	var none *Series
	if got := none.Memory(3); got != nil {
		t.Errorf("%v of no samples", got)
	}
}
