package config

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"qme/internal/mask"
	"qme/internal/span"
	"qme/record"
	"qme/record/metric"
	"qme/tasks"
)

// kind is the type of a setting's value.
type kind int

const (
	stringKind kind = iota
	boolKind
	sizeKind
	durationKind
	listKind
)

// fits describes valid values of the kind for messages.
func (k kind) fits() string {
	return [...]string{
		stringKind:   "text in quotes",
		boolKind:     "one of true, false",
		sizeKind:     "a size such as 64MiB",
		durationKind: "a duration such as 5s",
		listKind:     `a list such as ["LANG", "SLURM_*"]`,
	}[k]
}

// String returns the name used in panics about a wrong getter.
func (k kind) String() string {
	return [...]string{stringKind: "string", boolKind: "bool", sizeKind: "size", durationKind: "duration", listKind: "list"}[k]
}

// units maps the units of sizes, in lower case, to bytes.
var units = map[string]int64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// ParseSize reads a size as settings have it, in bytes. The error wraps record.ErrInvalid.
func ParseSize(text string) (int64, error) { return parseSize(text) }

func parseSize(text string) (int64, error) {
	digits := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	unit, known := units[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case !known || err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, invalid("%q is not %s", text, sizeKind.fits())
	case err != nil || n > uint64(math.MaxInt64/unit):
		return 0, invalid("%q is too large a size", text)
	}
	return int64(n) * unit, nil
}

func parseBool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, invalid("%q is not %s", text, boolKind.fits())
	}
	return text == "true", nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := span.Parse(text)
	if err != nil {
		return 0, invalid("%q is not %s", text, durationKind.fits())
	}
	return d, nil
}

func oneOf(choices ...string) func(string) error {
	return func(text string) error {
		if slices.Contains(choices, text) {
			return nil
		}
		return invalid("%q is not one of %s", text, strings.Join(choices, ", "))
	}
}

func notEmpty(text string) error {
	if strings.TrimSpace(text) == "" {
		return invalid("%q is empty; it must name a program", text)
	}
	return nil
}

func portNumber(text string) error {
	if n, err := strconv.ParseUint(text, 10, 16); err != nil || strconv.FormatUint(n, 10) != text {
		return invalid("%q is not a port, a number from 0 to 65535", text)
	}
	return nil
}

// minKey is the minimal length of the dashboard's key, since the number of guesses is not
// limited.
const minKey = 32

// serverKey does not quote the text, which is a secret.
func serverKey(text string) error {
	bad := func(r rune) bool { return r <= ' ' || r > '~' }
	if text != "" && (len(text) < minKey || strings.ContainsFunc(text, bad)) {
		return invalid("a key has %d printable ASCII characters at the least; \"qme generate-key\" makes one", minKey)
	}
	return nil
}

func keyInFile(text string) error {
	if text == "" {
		return nil
	}
	return invalid("a key does not belong in this file: set QME_SERVER_KEY, or have \"qme generate-key\" make one in a file of its own")
}

// hideKey hides the key, but not whether there is one.
func hideKey(text string) string {
	if text == "" {
		return ""
	}
	return "(hidden)"
}

func variableName(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r == '=' || unicode.IsSpace(r) }) {
		return invalid("%q is not the name of an environment variable, such as LANG or SLURM_*", text)
	}
	return nil
}

func maskPattern(text string) error {
	if err := mask.Check(text); err != nil {
		return invalid("%s", err)
	}
	return nil
}

// metricSpec accepts a metric that is looked for in what runs print.
func metricSpec(text string) error {
	if _, err := metric.Parse(text); err != nil {
		return invalid("%s", strings.TrimPrefix(err.Error(), record.ErrInvalid.Error()+" "))
	}
	return nil
}

// metricFile accepts the name of a file with metrics.
func metricFile(text string) error {
	if err := tasks.CheckMetricFiles([]string{text}); err != nil {
		return invalid("%s", strings.TrimPrefix(err.Error(), record.ErrInvalid.Error()+" "))
	}
	return nil
}
