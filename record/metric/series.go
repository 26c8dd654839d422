package metric

import (
	"math"
	"strconv"
	"strings"

	"qme/record"
)

// A series are the values of one metric in the order in which they were printed, as far as one of them counts.
type series struct {
	name string
	take string

	n           int // values, also those that are no numbers
	value, step record.MetricValue
	best        float64 // of min and max; NaN while there is none

	lost bool // which value counts is not known, since a part of the output is missing

	numbers, finite int
	mean            float64 // of the finite ones
	infinite        float64 // the sum of the others; NaN does not count
}

// gap says that values may be missing here. Only the first one before it and the last one after it count all the same.
func (s *series) gap() {
	switch s.take {
	case record.TakeLast:
		s.n, s.value, s.step, s.lost = 0, "", "", true
	case record.TakeFirst:
		s.lost = s.lost || s.n == 0
	default:
		s.lost = true
	}
}

func (s *series) add(value, step record.MetricValue) {
	s.n++
	switch s.take {
	case record.TakeFirst:
		if s.n == 1 {
			s.value, s.step = value, step
		}
		return
	case record.TakeLast:
		s.value, s.step, s.lost = value, step, false
		return
	}
	number, ok := value.Number()
	if !ok {
		return
	}
	s.numbers++
	if s.take == record.TakeMean {
		s.average(number)
		return
	}
	better := number < s.best
	if s.take == record.TakeMax {
		better = number > s.best
	}
	if s.numbers == 1 || math.IsNaN(s.best) && !math.IsNaN(number) || better {
		s.value, s.step, s.best = value, step, number
	}
}

// average adds a number to the mean. The sum of all could be more than there are numbers for.
func (s *series) average(number float64) {
	switch {
	case math.IsNaN(number):
	case math.IsInf(number, 0):
		s.infinite += number
	default:
		s.finite++
		s.mean += number/float64(s.finite) - s.mean/float64(s.finite)
	}
}

// metric returns the value that counts. ok is false if there is none.
func (s *series) metric() (m record.Metric, ok bool) {
	// Of the line around them nothing is to stay.
	value, step := strings.Clone(string(s.value)), strings.Clone(string(s.step))
	m = record.Metric{Name: s.name, Value: record.MetricValue(value), Step: record.MetricValue(step), Take: s.take}
	switch {
	case s.lost:
		return m, false
	case s.take == record.TakeLast || s.take == record.TakeFirst:
		return m, s.n > 0
	case s.take == record.TakeMean && s.numbers > 0:
		mean := s.mean
		if s.infinite != 0 { // or NaN
			mean = s.infinite
		} else if s.finite == 0 {
			mean = math.NaN()
		}
		m.Value = record.MetricValue(strconv.FormatFloat(mean, 'g', -1, 64))
	}
	return m, s.numbers > 0
}
