package metric

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"qme/internal/regular"
	"qme/record"
)

// Limits of files.
const (
	// LargestFile is how many bytes a file has at most.
	LargestFile = 16 << 20
	deepest     = 20 // objects in objects
)

// ReadFile returns the metrics of a file, as ParseFile does, and its content. Of the error see there; it wraps regular.ErrTooLarge or
// regular.ErrNot, too, or is that of opening the file.
func ReadFile(path string) (record.Metrics, []byte, error) {
	content, _, err := regular.ReadBounded(path, LargestFile, 0)
	if err != nil {
		return nil, nil, err
	}
	list, err := ParseFile(filepath.Base(path), content)
	return list, content, err
}

// ParseFile returns the metrics of a file with a name: the numbers of a JSON object, those in further objects by the names of both
// with a dot between them; of a list of objects, and of JSON lines, the last of each; or the last number of each column of a table
// (CSV, also with tabs or semicolons). What is called "step", "epoch" or "iteration" beside them is their step. The File of each is
// empty. The error wraps record.ErrInvalid.
func ParseFile(name string, content []byte) (record.Metrics, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")) // spreadsheets write a mark of the encoding
	if len(content) > LargestFile {
		return nil, fmt.Errorf("%w file of metrics: it has more than %d MiB", record.ErrInvalid, LargestFile>>20)
	}
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return nil, fmt.Errorf("%w file of metrics: it is no text in UTF-8", record.ErrInvalid)
	}
	f := collected{last: map[string]int{}}
	text := bytes.TrimLeft(content, " \t\r\n")
	isJSON := len(text) > 0 && (text[0] == '{' || text[0] == '[')
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json", ".jsonl", ".ndjson":
		isJSON = true
	case ".csv", ".tsv":
		isJSON = false
	}
	read := f.readTable
	if isJSON {
		read = f.readJSON
	}
	if err := read(content); err != nil {
		return nil, fmt.Errorf("%w file of metrics: %w", record.ErrInvalid, err)
	}
	if len(f.list) == 0 {
		return nil, fmt.Errorf("%w file of metrics: it has no number with a name", record.ErrInvalid)
	}
	return f.list, nil
}

// collected are the metrics of a file.
type collected struct {
	list record.Metrics
	last map[string]int // the places of their names
}

// put adds a value, in place of an earlier one of the same name.
func (f *collected) put(name, value, step string) error {
	m := record.Metric{Name: name, Value: record.MetricValue(value), Step: record.MetricValue(step)}
	i, has := f.last[name]
	switch {
	case len(value) > record.LongestMetric || len(step) > record.LongestMetric:
		return fmt.Errorf("the value of %s has more than %d bytes", name, record.LongestMetric)
	case has:
		f.list[i] = m
		return nil
	case len(f.list) == record.MostMetrics:
		return fmt.Errorf("there are more than %d numbers with names", record.MostMetrics)
	}
	f.last[name] = len(f.list)
	f.list = append(f.list, m)
	return nil
}

// nameOf makes a name of a metric from that of a key or a column, with "_" for what no name can have. ok is false if there is none.
func nameOf(text string) (name string, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > record.LongestMetric {
		return "", false
	}
	name = strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (isLetter(byte(r)) || isDigit(byte(r)) || strings.ContainsRune("-./", r)) {
			return r
		}
		return '_'
	}, text)
	if !isLetter(name[0]) {
		name = "_" + name
	}
	return name, record.CheckMetricName(name) == nil
}

func (f *collected) readJSON(content []byte) error {
	d := json.NewDecoder(bytes.NewReader(quoteSpecial(content)))
	d.UseNumber()
	for n := 0; ; n++ {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case t == json.Delim('{'):
			err = f.readObject(d)
		case t == json.Delim('[') && n == 0:
			for err == nil && d.More() {
				if t, err = d.Token(); err == nil && t != json.Delim('{') {
					err = errors.New("the list has something that is no object")
				}
				if err == nil {
					err = f.readObject(d)
				}
			}
			if err == nil {
				_, err = d.Token()
			}
		default:
			return errors.New("it is neither an object nor a list of objects")
		}
		if err != nil {
			return err
		}
	}
}

// readObject takes over the numbers of an object that has begun.
func (f *collected) readObject(d *json.Decoder) error {
	o := object{seen: map[string]bool{}}
	if err := o.read(d, "", 1); err != nil {
		return err
	}
	for _, p := range o.list {
		if err := f.put(p.name, p.number, o.step); err != nil {
			return err
		}
	}
	return nil
}

// An object has the numbers of an object and of those in it.
type object struct {
	list []pair
	seen map[string]bool // the keys, with those around them
	step string
}

func (o *object) read(d *json.Decoder, before string, depth int) error {
	if depth > deepest {
		return fmt.Errorf("more than %d objects are in each other", deepest)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string) // the decoder takes nothing else
		name, isName := nameOf(before + key)
		if isName && o.seen[name] {
			return fmt.Errorf("the key %s is there twice", name)
		}
		o.seen[name] = true
		if t, err = d.Token(); err != nil {
			return err
		}
		if number, is := numberOf(t); is && isName {
			if err := o.put(name, number, depth); err != nil {
				return err
			}
			continue
		}
		switch {
		case t == json.Delim('{') && isName:
			err = o.read(d, name+".", depth+1)
		case t == json.Delim('{') || t == json.Delim('['):
			err = skip(d)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (o *object) put(name, number string, depth int) error {
	switch {
	case depth == 1 && isStep(name):
		if o.step == "" {
			o.step = number
		}
		return nil
	case len(o.list) == record.MostMetrics:
		return fmt.Errorf("there are more than %d numbers with names", record.MostMetrics)
	}
	o.list = append(o.list, pair{name, number})
	return nil
}

// skip passes by the rest of an object or a list.
func skip(d *json.Decoder) error {
	for depth := 1; depth > 0; {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// special are the numbers that JSON has no words for, as Python writes them.
var special = []string{"-Infinity", "Infinity", "NaN"}

func numberOf(t json.Token) (number string, ok bool) {
	switch v := t.(type) {
	case json.Number:
		return v.String(), true
	case string:
		return v, slices.Contains(special, v)
	}
	return "", false
}

// quoteSpecial puts numbers that JSON does not have into quotes.
func quoteSpecial(content []byte) []byte {
	if !slices.ContainsFunc(special, func(w string) bool { return bytes.Contains(content, []byte(w)) }) {
		return content
	}
	out := make([]byte, 0, len(content)+1024)
	within := false
	for len(content) > 0 {
		n := 1
		switch c := content[0]; {
		case c == '\\' && within:
			n = min(2, len(content))
		case c == '"':
			within = !within
		case !within && (c == '-' || c == 'I' || c == 'N'):
			if i := slices.IndexFunc(special, func(w string) bool { return bytes.HasPrefix(content, []byte(w)) }); i >= 0 {
				out = append(append(append(out, '"'), special[i]...), '"')
				content = content[len(special[i]):]
				continue
			}
		}
		out = append(out, content[:n]...)
		content = content[n:]
	}
	return out
}

// A numbers is a column of a table.
type numbers struct {
	name        string // "" for one that is none
	value, step string
}

func (f *collected) readTable(content []byte) error {
	table := csv.NewReader(bytes.NewReader(content))
	table.Comma, table.ReuseRecord = comma(content), true
	row, err := table.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	} else if err != nil {
		return err
	}
	columns, step, err := columnsOf(row)
	if err != nil {
		return err
	}
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		for i := range columns {
			columns[i].take(strings.TrimSpace(row[i]), row, step)
		}
	}
	for _, c := range columns {
		if c.name == "" || c.value == "" {
			continue
		}
		if err := f.put(c.name, c.value, c.step); err != nil {
			return err
		}
	}
	return nil
}

// take takes over a cell; one that is no number has the column be none.
func (c *numbers) take(cell string, row []string, step int) {
	if c.name == "" || cell == "" {
		return
	}
	if _, ok := record.MetricValue(cell).Number(); !ok {
		c.name = ""
		return
	}
	if c.value, c.step = cell, ""; step >= 0 {
		c.step = strings.TrimSpace(row[step])
	}
}

// columnsOf returns the columns of a table, and which of them has the step: -1 for none.
func columnsOf(heads []string) (columns []numbers, step int, err error) {
	step = -1
	seen := map[string]bool{}
	for i, head := range heads {
		name, ok := nameOf(head)
		switch {
		case !ok:
			name = "" // such as that of the numbers of the rows
		case seen[name]:
			return nil, 0, fmt.Errorf("the column %s is there twice", name)
		case isStep(name):
			if step < 0 {
				step = i
			}
			seen[name], name = true, ""
		default:
			seen[name] = true
		}
		columns = append(columns, numbers{name: name})
	}
	return columns, step, nil
}

// comma returns what is between the columns of a table.
func comma(content []byte) rune {
	head, _, _ := bytes.Cut(content, []byte("\n"))
	for _, c := range ",\t;" {
		if bytes.ContainsRune(head, c) {
			return c
		}
	}
	return ','
}
