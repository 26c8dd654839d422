package tasks

import (
	"reflect"
	"slices"
	"strings"

	"qme/internal/safe"
	"qme/record"
)

// structural are the fields of records whose values are words of the format, or are masked by
// themselves. Others are texts.
var structural = []string{
	"Cmd", "Env", "Files", "Output", "Error", "Stdout", "Stderr", "Masked", "Parts", "Extra", "Streams", // masked by themselves, or no texts
	"User", "Host", "Status", "Signal", "Kind", "By", "State", "Source", "RunID", "Previous", "ID", "Parent", "Check", "Origin",
}

// structuralOf are the same of some types alone.
var structuralOf = map[reflect.Type][]string{
	reflect.TypeFor[record.Queue]():  {"Name", "After", "GPUs"},
	reflect.TypeFor[record.Param]():  {"Name"},
	reflect.TypeFor[record.Group]():  {"Name", "Seed", "Placeholder"},
	reflect.TypeFor[record.Metric](): {"Name", "Take"},
}

// walkTexts replaces the texts in the fields of a struct, and in those below it, by what change
// makes of them. What the struct refers to is copied before it is changed. Hashes stay as they are.
func walkTexts(s reflect.Value, change func(string) string) {
	t := s.Type()
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case !f.IsExported() || slices.Contains(structural, f.Name):
		case slices.Contains(structuralOf[t], f.Name):
		case slices.Contains(bounded, f.Name):
			walkText(s.Field(i), func(text string) string { return bound(text, change(text)) })
		default:
			walkText(s.Field(i), change)
		}
	}
}

// bounded are the fields whose texts have bounds, which markers must not exceed.
var bounded = []string{"Declared", "Software", "Machine", "Stdin", "Terminal", "Usage", "Queue", "Params", "Group", "Metrics"}

// bound returns a masked text, cut if it has come to be longer than texts may be.
func bound(text, masked string) string {
	if most := max(len(text), longestModule); len(masked) > most {
		return safe.Shorten(masked, most-len("…"))
	}
	return masked
}

func walkText(v reflect.Value, change func(string) string) {
	switch v.Kind() {
	case reflect.String:
		if text := v.String(); !isHash(text) {
			v.SetString(change(text))
		}
	case reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*record.Time]() {
			return
		}
		own := reflect.New(v.Type().Elem())
		own.Elem().Set(v.Elem())
		walkText(own.Elem(), change)
		v.Set(own)
	case reflect.Slice:
		if v.Len() == 0 || v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		for i := range own.Len() {
			walkText(own.Index(i), change)
		}
		v.Set(own)
	case reflect.Map:
		walkMap(v, change)
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[record.Time]() {
			walkTexts(v, change)
		}
	}
}

// walkMap changes the values of a map.
func walkMap(v reflect.Value, change func(string) string) {
	if v.Len() == 0 {
		return
	}
	own := reflect.MakeMapWithSize(v.Type(), v.Len())
	for _, key := range v.MapKeys() {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(key))
		walkText(value, change)
		own.SetMapIndex(key, value)
	}
	v.Set(own)
}

// isHash reports whether a text is a hash, such as that of a file or a commit, which patterns
// must not change.
func isHash(text string) bool {
	return len(text) >= 40 && strings.Trim(text, "0123456789abcdef") == ""
}
