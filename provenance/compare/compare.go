// Package compare tells whether two runs of a task have printed or written the same. It takes for
// equal only what can be shown to come from the run itself, such as a time between its begin and its
// end, and counts that. It reads nothing but what it is given, and keeps only a piece of it in memory.
package compare

import (
	"io"
	"maps"
	"slices"
)

// A Kind is a kind of text that differs between two runs because it comes from the run itself.
type Kind string

// The kinds, in the order in which they are named to the user.
const (
	Time      Kind = "time"      // a moment between the begin and the end of the run
	Duration  Kind = "duration"  // a duration, marked as such, that is not longer than the run
	PID       Kind = "pid"       // the number of a process of the run
	ID        Kind = "id"        // an id of the run, as in QME_RUN
	Temporary Kind = "temporary" // a random name below a folder for temporary files
	Directory Kind = "directory" // the directory of the run
	Host      Kind = "host"      // the name of its machine
	Number    Kind = "number"    // a number that is equal within Options.Tolerance
)

// Kinds lists all kinds in the order in which they are named to the user.
func Kinds() []Kind {
	return []Kind{Time, Duration, PID, ID, Temporary, Directory, Host, Number}
}

// Options say what counts as equal. The zero value masks what comes from the runs, and compares
// numbers as text.
type Options struct {
	// Exact masks nothing, not even within Tolerance: equal is what has the same bytes.
	Exact bool
	// Tolerance T, 0 < T < 1, takes two numbers for equal of which at least one has a decimal point
	// or an exponent, if they differ by at most T times the larger magnitude, or by at most T*T. A
	// NaN is equal to a NaN, and an infinity to one of its sign. Whole numbers have to be equal, as
	// have numbers in a longer word, such as a version or a date. Blanks before a number that is
	// equal in this way do not count, as in a column that is aligned to the right. 0 compares text.
	Tolerance float64
}

// MostDifferences is how many differences a Result lists; no comparison goes on behind the last.
const MostDifferences = 5

// A Content is what one of the runs has printed or written.
type Content struct {
	io.Reader
	// Cut says that the run wrote more than can be read, because not all was kept. What follows the
	// end of the content is then not known, and never equal to anything.
	Cut bool
}

// A Result is the outcome of a comparison.
type Result struct {
	// Equal says that nothing differs but what Masked counts. It is false if Unknown is true.
	Equal bool
	// Unknown says that no difference was found in what is there of a content that was cut.
	Unknown bool
	// Masked counts the places that differ and come from the runs themselves. It covers what was
	// compared: up to the last one of the differences if there are as many as are listed.
	Masked map[Kind]int
	// Differences are the first that were found, MostDifferences at most and one for each line. Of
	// binary content it is only the first.
	Differences []Difference
	// More says that Differences ends because it has MostDifferences.
	More bool
	// Binary says that a NUL byte was found in one of the contents, so that nothing is masked.
	Binary bool
}

// Places returns how many places were masked.
func (r Result) Places() int {
	n := 0
	for _, count := range r.Masked {
		n += count
	}
	return n
}

// Named returns the kinds of places that were masked, in their order.
func Named(masked map[Kind]int) []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return masked[k] == 0 })
}

// A Difference is a place at which two contents differ: where it begins in each.
type Difference struct {
	Ref, Now Place
}

// A Place is a place in a content.
type Place struct {
	Line   int   // from 1
	Column int   // the byte in the line, from 1
	Offset int64 // the byte in the content, from 0
	// Text is the line, without its newline: 200 bytes at most, from some bytes before the place on
	// where it is longer. It is as in the content, with all control characters, and may begin or end
	// within a character. It is empty in binary content.
	Text string
	// End says that the content ends here.
	End bool
}

// Shown returns as much of a line as a Place has: 200 bytes at most of its beginning.
func Shown(line string) string { return line[:min(len(line), longestShown)] }

// A Pair compares what two runs have left. What it learns of their temporary names in one content
// holds for those that follow: a name stands for one name of the other run in all of them. It is for
// one goroutine at a time.
type Pair struct {
	ref, now Facts
	options  Options
	// temp and back map the temporary names of one run to those of the other.
	temp, back map[string]string
	steps      int // counts the work on places that differ, for tests
}

// New returns a Pair for a reference run and a run that is compared with it.
func New(ref, now Facts, options Options) *Pair {
	return &Pair{ref: ref, now: now, options: options, temp: map[string]string{}, back: map[string]string{}}
}

// Text compares two texts.
func (p *Pair) Text(ref, now string) Result {
	if ref == now {
		return Result{Equal: true}
	}
	r, _ := p.compare(textSource(ref), textSource(now)) // nothing is read that could fail
	return r
}

// Apart returns a Pair that compares the same runs, and to whose knowledge of temporary names nothing is
// added by p, nor the other way round.
func (p *Pair) Apart() *Pair { return New(p.ref, p.now, p.options) }

// Compare compares two contents, which it reads once from their beginning, in an amount of memory that
// does not depend on them and in a time that is linear in them. It stops after MostDifferences. The
// error is that of a reader; the result is then without meaning.
func (p *Pair) Compare(ref, now Content) (Result, error) {
	return p.compare(newSource(ref), newSource(now))
}

func (p *Pair) compare(ref, now *source) (Result, error) {
	w := &walk{pair: p, a: ref, b: now}
	temp, back := maps.Clone(p.temp), maps.Clone(p.back)
	err := w.run()
	if w.result.Binary {
		p.temp, p.back = temp, back // what was taken for a text was none
	}
	return w.result, err
}
