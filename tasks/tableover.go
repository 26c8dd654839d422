package tasks

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"qme/record"
)

// A TableSummary stands for the rows of a table that differ only in some parameters, such as a seed.
type TableSummary struct {
	Params record.Params // without those
	Rows   []int         // the places of the rows in the table
	Means  []TableMean
}

// A TableMean sums up one metric of the rows of a TableSummary.
type TableMean struct {
	Name string
	// N is how many runs have a number, of those that have ended well. The others do not count.
	N int
	// Mean is that of the numbers, and SD their sample standard deviation, which is NaN for a single one.
	Mean, SD float64
}

// Mean returns the summary of a metric. ok is false if no run has a number.
func (s TableSummary) Mean(name string) (m TableMean, ok bool) {
	i := slices.IndexFunc(s.Means, func(m TableMean) bool { return m.Name == name })
	if i < 0 {
		return m, false
	}
	return s.Means[i], true
}

// Over sums up the rows that differ only in the named parameters, in the order of the first rows.
func (t *Table) Over(names []string) []TableSummary {
	var list []TableSummary
	at := map[string]int{}
	for i, row := range t.Rows {
		params := slices.DeleteFunc(slices.Clone(row.Params), func(p record.Param) bool { return slices.Contains(names, p.Name) })
		key := keyOfParams(params)
		n, has := at[key]
		if !has {
			n = len(list)
			at[key] = n
			list = append(list, TableSummary{Params: params})
		}
		list[n].Rows = append(list[n].Rows, i)
	}
	for i := range list {
		list[i].Means = t.means(list[i].Rows)
	}
	return list
}

func keyOfParams(params record.Params) string {
	var words []string
	for _, p := range params {
		words = append(words, strconv.Quote(p.Name)+"="+strconv.Quote(p.Value))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func (t *Table) means(rows []int) (list []TableMean) {
	numbers := map[string][]float64{}
	var names []string
	for _, i := range rows {
		row := t.Rows[i]
		if row.Record.Outcome() != record.OK {
			continue
		}
		for _, m := range row.Metrics {
			if n, ok := m.Value.Number(); ok {
				if numbers[m.Name] == nil {
					names = append(names, m.Name)
				}
				numbers[m.Name] = append(numbers[m.Name], n)
			}
		}
	}
	for _, name := range names {
		mean, sd := meanOf(numbers[name])
		list = append(list, TableMean{name, len(numbers[name]), mean, sd})
	}
	return list
}

// meanOf returns the mean and the sample standard deviation of numbers, in one pass that loses no digits (Welford).
func meanOf(numbers []float64) (mean, sd float64) {
	squares := 0.0
	for i, x := range numbers {
		off := x - mean
		mean += off / float64(i+1)
		squares += off * (x - mean)
	}
	if len(numbers) < 2 {
		return mean, math.NaN()
	}
	return mean, math.Sqrt(squares / float64(len(numbers)-1))
}
