package main

import (
	"fmt"
	"slices"
	"time"
)

// A sample is what one process took.
type sample struct {
	took time.Duration
	rss  int64 // peak memory in bytes, of the process or one of its children
	// processor is the processor time of the process, which depends less on what else
	// the machine does.
	processor time.Duration
}

// samples are repeated measurements of one thing.
type samples []sample

// quantile returns the time below which the share q of the samples lies.
func (s samples) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	all := make([]time.Duration, 0, len(s))
	for _, x := range s {
		all = append(all, x.took)
	}
	slices.Sort(all)
	at := q * float64(len(all)-1)
	i := int(at)
	if i+1 == len(all) {
		return all[i]
	}
	return all[i] + time.Duration((at-float64(i))*float64(all[i+1]-all[i]))
}

func (s samples) median() time.Duration { return s.quantile(0.5) }

// processor returns the median of the processor times.
func (s samples) processor() time.Duration {
	all := make(samples, len(s))
	for i, x := range s {
		all[i].took = x.processor
	}
	return all.median()
}

// rss returns the largest peak memory of the samples.
func (s samples) rss() int64 {
	var most int64
	for _, x := range s {
		most = max(most, x.rss)
	}
	return most
}

// String gives the median and, in the same unit, between which times the middle
// half lies.
func (s samples) String() string {
	m := s.median()
	number := func(d time.Duration) string {
		if m < time.Second {
			return decimals(float64(d) / float64(time.Millisecond))
		}
		return fmt.Sprintf("%.2f", d.Seconds())
	}
	return fmt.Sprintf("%s (%s-%s)", short(m), number(s.quantile(0.25)), number(s.quantile(0.75)))
}

// short writes a duration with two or three digits.
func short(d time.Duration) string {
	if d < time.Second {
		return decimals(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func decimals(x float64) string {
	if x < 20 {
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

func ratio(a, b samples) float64 { return float64(a.median()) / float64(max(b.median(), 1)) }

// compare makes the row of a and b, measured in turn: a may take at most most
// times as long as b.
func compare(what string, a, b samples, most float64) row {
	x := ratio(a, b)
	return row{
		what: what, goal: fmt.Sprintf("at most %gx", most),
		figure: fmt.Sprintf("%s against %s", a, b), ratio: fmt.Sprintf("%.2fx", x), verdict: judge(x <= most),
	}
}

// mb writes bytes in megabytes.
func mb(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
