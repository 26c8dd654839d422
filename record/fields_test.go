package record_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"qme/record"
)

// A key is one of the format's, as a struct has it.
type key struct {
	of       reflect.Type
	optional bool
}

// keysOf returns all keys of a record, those of its objects too.
func keysOf(t reflect.Type, prefix string) map[string]key {
	keys := map[string]key{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		keys[prefix+name] = key{of, strings.HasPrefix(options, "omit")}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[record.Time]() {
			for n, k := range keysOf(of, prefix+name+".") {
				keys[n] = k
			}
		}
	}
	return keys
}

var recordKeys = keysOf(reflect.TypeFor[record.Record](), "")

// topLevel says that a key is of the record itself or right below data.
func topLevel(name string) bool { return !strings.Contains(strings.TrimPrefix(name, "data."), ".") }

// TestFields holds the list of fields against the struct.
func TestFields(t *testing.T) {
	kinds := map[reflect.Type][]record.Kind{
		reflect.TypeFor[int]():     {record.Integer},
		reflect.TypeFor[int64]():   {record.Integer, record.Bytes},
		reflect.TypeFor[float64](): {record.Seconds}, reflect.TypeFor[bool](): {record.Flag}, reflect.TypeFor[record.Time](): {record.Moment},
	}
	keys, names := map[string]bool{}, map[string]bool{}
	for _, f := range record.Fields {
		k, ok := recordKeys[f.Key]
		if !ok || keys[f.Key] {
			t.Errorf("%s is no key of a record, or is listed twice", f.Key)
			continue
		}
		keys[f.Key] = true
		want := kinds[k.of]
		if want == nil {
			want = []record.Kind{record.Object}
			if k.of.Kind() == reflect.String {
				want = []record.Kind{record.Text}
			}
		}
		if !slices.Contains(want, f.Kind) {
			t.Errorf("%s is a %s, of which the kind is one of %v and not %v", f.Key, k.of, want, f.Kind)
		}
		if f.Name != "" && names[f.Name] || (f.Name == "") != (f.Since == 0 && !f.Measure) || f.Name != "" && f.Value == nil {
			t.Errorf("%s: a column has a name of its own and a value: %q", f.Key, f.Name)
		}
		names[f.Name] = true
		if f.Measure && !slices.Contains([]record.Kind{record.Integer, record.Bytes, record.Seconds}, f.Kind) {
			t.Errorf("%s is a measure and no number", f.Key)
		}
	}
	for name := range recordKeys {
		if topLevel(name) && name != "data" && !keys[name] {
			t.Errorf("record.Fields lacks %s", name)
		}
	}
	if n := len(record.Measures()); n != record.MeasureCount {
		t.Errorf("there are %d measures, and MeasureCount is %d", n, record.MeasureCount)
	}
}

// TestFormatDocument holds docs/format.md against the struct.
func TestFormatDocument(t *testing.T) {
	b, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	words := map[reflect.Kind]string{
		reflect.String: "string", reflect.Int: "number", reflect.Int64: "number", reflect.Float64: "number", reflect.Bool: "boolean",
		reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}
	rows := map[string][2]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[a-z0-9._]+`(?:, `[a-z0-9._]+`)*) \\| ([^|]*) \\| (.*) \\|$").FindAllStringSubmatch(string(b), -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			rows[strings.Trim(name, "`")] = [2]string{m[2], m[3]}
		}
	}
	for name, k := range recordKeys {
		word := words[k.of.Kind()]
		switch k.of {
		case reflect.TypeFor[record.Time]():
			word = "time"
		case reflect.TypeFor[record.Params]():
			word = "object"
		}
		if topLevel(name) && name != "data" {
			if kind := rows[name][0]; !strings.HasPrefix(kind, word) || strings.HasSuffix(kind, ", optional") != k.optional {
				t.Errorf("docs/format.md has for %s the type %q, and it is a %s (optional: %v)", name, kind, word, k.optional)
			}
		}
	}
	for _, f := range record.Fields {
		parent, leaf := f.Key[:strings.LastIndexByte("."+f.Key, '.')], f.Key[strings.LastIndexByte(f.Key, '.')+1:]
		if !topLevel(f.Key) && !strings.Contains(rows[strings.TrimSuffix(parent, ".")][1], "`"+leaf+"`") && rows[leaf][0] == "" {
			t.Errorf("docs/format.md does not say what %s is", f.Key)
		}
	}
}
