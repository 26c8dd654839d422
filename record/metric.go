package record

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Metric is what a run says of how good it was, or of anything else that its output or a file of it names.
type Metric struct {
	Name string `json:"name"`
	// Value is a number as it was written. What is no number, such as "1,000.5", is kept as text.
	Value MetricValue `json:"value"`
	// Step is the number of the step or epoch at which the value was; empty if none was named.
	Step MetricValue `json:"step,omitempty"`
	// Take says which of several values this is: TakeLast and so on; empty if there was one by its kind, as in a file.
	Take string `json:"take,omitempty"`
	// Pattern is the regular expression that found it in the output, and File the file that had it.
	Pattern string `json:"pattern,omitempty"`
	File    string `json:"file,omitempty"`
}

// The values of Metric.Take.
const (
	TakeLast  = "last"
	TakeFirst = "first"
	TakeMin   = "min"
	TakeMax   = "max"
	TakeMean  = "mean"
)

// Takes are the values of Metric.Take.
var Takes = []string{TakeLast, TakeFirst, TakeMin, TakeMax, TakeMean}

// Limits of metrics.
const (
	MostMetrics   = 200
	LongestMetric = 100 // bytes of a name, and of a value
)

// A MetricValue is a number as it was written, or a text. In JSON it is a number where JSON has it, else a text.
type MetricValue string

// Number returns the number. ok is false for a text: "1,000.5" is neither 1 nor 1000.5. NaN and infinities are numbers.
func (v MetricValue) Number() (n float64, ok bool) {
	text := string(v)
	if strings.ContainsAny(text, "_xXpP") { // what Go's source would take for a number
		return 0, false
	}
	if len(text) == len("-nan") && (text[0] == '-' || text[0] == '+') && strings.EqualFold(text[1:], "nan") {
		text = text[1:] // C's printf writes NaN with a sign
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil || math.IsInf(n, 0) && strings.Trim(text, digits+"+-.eE") == "" // of more than there are
}

// MarshalJSON writes a number where JSON has it.
func (v MetricValue) MarshalJSON() ([]byte, error) {
	if n, ok := v.Number(); ok && !math.IsNaN(n) && !math.IsInf(n, 0) && json.Valid([]byte(v)) {
		return []byte(v), nil
	}
	return json.Marshal(string(v))
}

// UnmarshalJSON reads a number or a text.
func (v *MetricValue) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var text string
		err := json.Unmarshal(b, &text)
		*v = MetricValue(text)
		return err
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*v = MetricValue(n)
	return nil
}

func (v MetricValue) check() error {
	if len(v) > longestMark || !utf8.ValidString(string(v)) {
		return fmt.Errorf("%w value of a metric: it has %d bytes", ErrInvalid, len(v))
	}
	return nil
}

// CheckMetricName checks that a metric can be called so: letters, digits and "_", "-", "." and "/", the first of which is a letter or
// "_". The error wraps ErrInvalid.
func CheckMetricName(name string) error {
	if name == "" || len(name) > LongestMetric || strings.Trim(name, letters+digits+"_-./") != "" || !strings.ContainsAny(name[:1], letters+"_") {
		return fmt.Errorf("%w name of a metric: %.120q; at most %d letters, digits, \"_\", \"-\", \".\" and \"/\" make one, and a letter or \"_\" is the first", ErrInvalid, name, LongestMetric)
	}
	return nil
}

// Metrics are the metrics of a run, each name once.
type Metrics []Metric

// Get returns a metric by its name. ok is false if there is none.
func (m Metrics) Get(name string) (one Metric, ok bool) {
	i := slices.IndexFunc(m, func(one Metric) bool { return one.Name == name })
	if i < 0 {
		return Metric{}, false
	}
	return m[i], true
}

func (m Metrics) check() error {
	if len(m) > MostMetrics {
		return fmt.Errorf("%w metrics: there are %d", ErrInvalid, len(m))
	}
	for _, one := range m {
		if err := CheckMetricName(one.Name); err != nil {
			return err
		}
		if one.Take != "" && !slices.Contains(Takes, one.Take) || len(one.Pattern) > longestPath || len(one.File) > longestPath {
			return fmt.Errorf("%w metric %s", ErrInvalid, one.Name)
		}
		for _, v := range []MetricValue{one.Value, one.Step} {
			if err := v.check(); err != nil {
				return err
			}
		}
	}
	return nil
}
