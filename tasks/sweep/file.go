package sweep

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"qme/record"
)

// mostFile is how many bytes of a file with points are read.
const mostFile = 64 << 20

// ReadCSV reads points from a table with the names of the parameters in its first line (RFC 4180). The error wraps
// ErrInvalid, or is that of reading.
func ReadCSV(r io.Reader) ([]Point, error) {
	b, err := bounded(r)
	if err != nil {
		return nil, err
	}
	table := csv.NewReader(bytes.NewReader(b))
	names, err := table.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("there is no line with the names of the parameters: %w", ErrInvalid)
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	var list []Point
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			return checked(list)
		} else if err != nil {
			return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
		}
		p := make(Point, 0, len(names))
		for i, name := range names {
			p = append(p, record.Param{Name: name, Value: row[i]})
		}
		list = append(list, p)
	}
}

// ReadJSON reads points from a list of objects, or from objects one behind the other (JSON Lines), all with the same keys: texts,
// numbers, true or false. A number stays as it is written. The error wraps ErrInvalid, or is that of reading.
func ReadJSON(r io.Reader) ([]Point, error) {
	b, err := bounded(r)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	isList := bytes.HasPrefix(bytes.TrimSpace(b), []byte("["))
	if isList {
		if _, err := d.Token(); err != nil {
			return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
		}
	}
	var list []Point
	for d.More() {
		p, err := readObject(d)
		if err != nil {
			return nil, fmt.Errorf("object %d: %w", len(list)+1, err)
		}
		if list = append(list, p); len(p) != len(list[0]) {
			return nil, fmt.Errorf("object %d has %d parameters, and the first one %d: %w", len(list), len(p), len(list[0]), ErrInvalid)
		}
		if p = ordered(p, list[0]); p == nil {
			return nil, fmt.Errorf("object %d has other parameters than the first one: %w", len(list), ErrInvalid)
		}
		list[len(list)-1] = p
	}
	if isList {
		if _, err := d.Token(); err != nil {
			return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
		}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the last object: %w", ErrInvalid)
	}
	return checked(list)
}

func readObject(d *json.Decoder) (p Point, _ error) {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("it is no object: %w", ErrInvalid)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
		}
		value, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
		}
		name, _ := key.(string) // the decoder takes nothing else for a key
		one := record.Param{Name: name}
		switch v := value.(type) {
		case string:
			if one.Value = v; strings.Contains(v, "\uFFFD") {
				return nil, fmt.Errorf("the value of %.64q is no text in UTF-8: %w", name, ErrInvalid)
			}
		case json.Number:
			one.Value = v.String()
		case bool:
			one.Value = strconv.FormatBool(v)
		default:
			return nil, fmt.Errorf("%.64q is neither a text, a number, true nor false: %w", name, ErrInvalid)
		}
		p = append(p, one)
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	return p, nil
}

// ordered returns p with its parameters in the order of another point; nil if these are others.
func ordered(p, like Point) Point {
	values := make(map[string]string, len(p))
	for _, param := range p {
		values[param.Name] = param.Value
	}
	same := make(Point, 0, len(like))
	for _, param := range like {
		value, there := values[param.Name]
		if !there {
			return nil
		}
		same = append(same, record.Param{Name: param.Name, Value: value})
	}
	return same
}

// checked checks points from a file.
func checked(list []Point) ([]Point, error) {
	switch {
	case len(list) == 0 || len(list[0]) == 0:
		return nil, fmt.Errorf("there are no values: %w", ErrInvalid)
	case len(list) > MostPoints:
		return nil, fmt.Errorf("there are %d settings, of at most %d: %w", len(list), MostPoints, ErrInvalid)
	}
	seen := map[string]bool{}
	for _, p := range list[0] {
		if err := CheckName(p.Name); err != nil {
			return nil, err
		}
		if seen[p.Name] {
			return nil, fmt.Errorf("the parameter %s is named twice: %w", p.Name, ErrInvalid)
		}
		seen[p.Name] = true
	}
	for i, point := range list {
		for _, p := range point {
			if err := CheckValue(p.Name, p.Value); err != nil {
				return nil, fmt.Errorf("setting %d: %w", i+1, err)
			}
		}
	}
	return list, nil
}

// Mark is what some programs, such as spreadsheets, write first to say that a file is in UTF-8. It is no part of the text.
var Mark = []byte("\xef\xbb\xbf")

// bounded reads a file without its mark. It refuses one that is too long.
func bounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, mostFile+1))
	if err == nil && len(b) > mostFile {
		err = fmt.Errorf("it has more than %d MiB: %w", mostFile>>20, ErrInvalid)
	}
	return bytes.TrimPrefix(b, Mark), err
}
