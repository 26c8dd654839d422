// Package sweep has the parameters of a sweep, and makes a command for each setting of them.
//
// A sweep runs one command many times, each time with another setting: --lr 0.1 --seed 1, --lr 0.1 --seed 2 and
// so on. This package knows nothing of tasks.
package sweep

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"qme/internal/safe"
	"qme/record"
)

// ErrInvalid means that parameters, a file with them, or a command with placeholders cannot be used. The text says why.
var ErrInvalid = errors.New("not a sweep")

// A Point is a setting of all parameters, each once, in the order in which the user has named them.
type Point = record.Params

// MostPoints is how many settings a sweep has at most.
const MostPoints = 1_000_000

// Reserved are the placeholders of each task: its id, the name of its group, and its number in that. No parameter can be
// called so.
var Reserved = []string{"id", "group", "index"}

// CheckName checks that a parameter can be called so, as record.CheckParamName, and that its placeholder means nothing else. The
// error wraps ErrInvalid.
func CheckName(name string) error {
	switch {
	case record.CheckParamName(name) != nil:
		return fmt.Errorf("a parameter is called by at most %d letters, digits and \"_\", and no digit first, not %s: %w", record.LongestParam, safe.Bounded(strconv.Quote(name)), ErrInvalid)
	case slices.Contains(Reserved, name):
		return fmt.Errorf("no parameter can be called %q: {%s} is something of each task: %w", name, name, ErrInvalid)
	}
	return nil
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// CheckValue checks a value of a parameter. Control characters could end a line of a shell, or hide what is run. The error wraps
// ErrInvalid.
func CheckValue(name, value string) error {
	switch {
	case len(value) > record.LongestValue:
		return fmt.Errorf("a value of %s has %d bytes, of at most %d: %w", name, len(value), record.LongestValue, ErrInvalid)
	case !utf8.ValidString(value):
		return fmt.Errorf("the value %s of %s is no text in UTF-8: %w", safe.Bounded(strconv.Quote(value)), name, ErrInvalid)
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return fmt.Errorf("the value %s of %s has a control character: %w", safe.Bounded(strconv.Quote(value)), name, ErrInvalid)
	}
	return nil
}

// ParseAxis reads NAME=VALUE,VALUE…, with FIRST..LAST for whole numbers, as a parameter with all of its values. The error wraps
// ErrInvalid.
func ParseAxis(word string) ([]Point, error) {
	name, list, ok := strings.Cut(word, "=")
	if !ok {
		return nil, fmt.Errorf("%s is no NAME=VALUE,VALUE…: %w", safe.Bounded(strconv.Quote(word)), ErrInvalid)
	}
	if err := CheckName(name); err != nil {
		return nil, err
	}
	values, err := valuesOf(name, list)
	if err != nil {
		return nil, err
	}
	axis := make([]Point, 0, len(values))
	for _, v := range values {
		if err := CheckValue(name, v); err != nil {
			return nil, err
		}
		axis = append(axis, Point{{Name: name, Value: v}})
	}
	return axis, nil
}

// valuesOf reads the values of a list, in which FIRST..LAST is a range. The error wraps ErrInvalid.
func valuesOf(name, list string) (values []string, err error) {
	for text := range strings.SplitSeq(list, ",") {
		ends := strings.Split(text, "..")
		if len(ends) < 2 || slices.ContainsFunc(ends, func(end string) bool { return !isNumber(end) }) {
			values = append(values, text)
			continue
		}
		first, ferr := strconv.ParseInt(ends[0], 10, 64)
		last, lerr := strconv.ParseInt(ends[1], 10, 64)
		if len(ends) > 2 || ferr != nil || lerr != nil {
			return nil, fmt.Errorf("%s=%s is no range, which has two whole numbers, as in %s=1..5; name each value, as in %s=0.1,0.2: %w", name, safe.Bounded(text), name, name, ErrInvalid)
		}
		if n := uint64(max(first, last)) - uint64(min(first, last)); n >= uint64(MostPoints-len(values)) { // the difference may be greater than an int64
			return nil, fmt.Errorf("%s=%s has more than %d values: %w", name, safe.Bounded(list), MostPoints, ErrInvalid)
		}
		values = append(values, numbers(first, last, widthOf(ends[0], ends[1]))...)
	}
	return values, nil
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

// widthOf returns how many characters the numbers of a range have at least: as in bash, 08..11 has all of them as long as the longest.
func widthOf(first, last string) int {
	for _, end := range []string{first, last} {
		if digits := strings.TrimLeft(end, "+-"); len(digits) > 1 && digits[0] == '0' {
			return max(len(first), len(last))
		}
	}
	return 0
}

// numbers lists whole numbers, also downwards, with zeros in front where they have fewer characters than width.
func numbers(first, last int64, width int) (list []string) {
	step := int64(1)
	if last < first {
		step = -1
	}
	for i := first; ; i += step {
		list = append(list, fmt.Sprintf("%0*d", width, i))
		if i == last {
			return list
		}
	}
}

// Zip joins axes of the same length: the first values belong together, the second ones, and so on. The error wraps
// ErrInvalid.
func Zip(axes ...[]Point) ([]Point, error) {
	if len(axes) == 0 {
		return nil, nil
	}
	list := make([]Point, len(axes[0]))
	for _, axis := range axes {
		if len(axis) != len(list) {
			return nil, fmt.Errorf("parameters that go together have as many values each: %s has %d, %s has %d: %w",
				axes[0][0][0].Name, len(list), axis[0][0].Name, len(axis), ErrInvalid)
		}
		for i, p := range axis {
			list[i] = append(list[i], p...)
		}
	}
	return list, nil
}
