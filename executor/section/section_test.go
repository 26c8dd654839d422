package section

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"qme/executor"
	"qme/record"
)

// in returns a section that holds the values.
func in(values map[string]any) Section {
	return Section{Name: "x", Values: values, Where: func(path ...string) string { return " at " + strings.Join(path, "/") }}
}

// TestValues reads values of every kind, and says where one is that cannot be read.
func TestValues(t *testing.T) {
	text := func(t *Table) any { return t.Text("k") }
	texts := func(t *Table) any { return t.Texts("k") }
	yes := func(t *Table) any { return t.Bool("k") }
	long := func(t *Table) any { return t.Duration("k", time.Minute) }
	words := func(t *Table) any { return t.Words("k") }
	codes := func(t *Table) any { return t.Codes("k") }
	for _, c := range []struct {
		kind  string
		read  func(*Table) any
		value any
		want  any    // or
		wrong string // what is wrong
	}{
		{"text", text, "a b", "a b", ""},
		{"text", text, nil, "", ""},
		{"text", text, int64(1), nil, "executor.x.k at k: it takes text in quotes"},
		{"text", text, "", nil, "is empty, or holds control characters"},
		{"text", text, "a\x1bb", nil, "is empty, or holds control characters"},
		{"text", text, "\xff", nil, "is empty, or holds control characters"},
		{"texts", texts, []any{"a", ""}, []string{"a", ""}, ""},
		{"texts", texts, []any{}, []string{}, ""},
		{"texts", texts, nil, []string(nil), ""},
		{"texts", texts, "a", nil, "it takes a list of texts"},
		{"texts", texts, []any{"a", int64(1)}, nil, "its elements are texts"},
		{"texts", texts, []any{"a\n"}, nil, "without control characters"},
		{"switch", yes, true, true, ""},
		{"switch", yes, nil, false, ""},
		{"switch", yes, "true", nil, "it is true or false, without quotes"},
		{"duration", long, "90s", 90 * time.Second, ""},
		{"duration", long, nil, time.Minute, ""},
		{"duration", long, "soon", nil, `"soon" is not a duration`},
		{"duration", long, "0s", nil, `"0s" is not a duration`},
		{"words", words, map[string]any{"a": "b"}, map[string]string{"a": "b"}, ""},
		{"words", words, map[string]any{"a": ""}, nil, "a takes text in quotes"},
		{"words", words, "a", nil, "write [executor.x.k] and below it KEY = VALUE"},
		{"codes", codes, map[string]any{"F": int64(255)}, map[string]int{"F": 255}, ""},
		{"codes", codes, map[string]any{"F": int64(256)}, nil, "F takes a return code from 0 to 255"},
		{"codes", codes, map[string]any{"F": "1"}, nil, "F takes a return code from 0 to 255"},
	} {
		t.Run(fmt.Sprintf("%s %v", c.kind, c.value), func(t *testing.T) {
			table := in(map[string]any{"k": c.value}).Read()
			got, err := c.read(table), table.Done()
			switch {
			case c.wrong == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
				t.Errorf("it is read as %#v, %v, want %#v", got, err, c.want)
			case c.wrong != "" && (!errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), c.wrong)):
				t.Errorf("the error is %v, want %q", err, c.wrong)
			}
		})
	}
}

// TestTables reads tables in tables. The first error counts, except that a key which nobody
// knows explains more.
func TestTables(t *testing.T) {
	s := in(map[string]any{"t": map[string]any{"b": map[string]any{"k": "2"}, "a": map[string]any{"k": "1"}}})
	table := s.Read()
	names, tables := table.Tables("t")
	if strings.Join(names, " ") != "a b" || len(tables) != 2 || tables[1].Text("k") != "2" || strings.Join(tables[0].Path("k"), ".") != "t.a.k" {
		t.Errorf("there are %q, and %d tables", names, len(tables))
	}
	if err := table.Done(); err != nil {
		t.Error(err)
	}
	if names, tables := in(nil).Read().Tables("t"); names != nil || tables != nil {
		t.Errorf("of no table there are %q", names)
	}
	for _, c := range []struct {
		name   string
		values map[string]any
		wrong  string
	}{
		{"a value in place of a table", map[string]any{"t": map[string]any{"a": "1"}}, "executor.x.t.a at t/a: it is a table: write [executor.x.t.a]"},
		{"two errors", map[string]any{"t": map[string]any{"a": map[string]any{"k": int64(1)}, "b": map[string]any{"k": int64(2)}}}, "executor.x.t.a.k at t/a/k: it takes text"},
		{"a key that is not known", map[string]any{"t": map[string]any{"a": map[string]any{"k": int64(1), "kk": "1"}}}, "executor.x.t.a.kk at t/a/kk: there is no such key, only k"},
		{"no table at all", nil, "executor.x at : it is a table: write [executor.x]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := in(c.values).Read()
			_, tables := table.Tables("t")
			for _, inner := range tables {
				inner.Text("k")
				inner.Finish()
			}
			if err := table.Done(); !errors.Is(err, record.ErrInvalid) || !strings.HasPrefix(err.Error(), c.wrong) {
				t.Errorf("the error is %v, want %q", err, c.wrong)
			}
		})
	}
	bad := in(map[string]any{})
	bad.Name = "Bad"
	if err := bad.Read().Done(); !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), "an executor's name") {
		t.Errorf("the name Bad: %v", err)
	}
}

func TestMatch(t *testing.T) {
	shell := &executor.Shell{Program: "sh"}
	for _, c := range []struct {
		values map[string]any
		words  []string
		want   bool
	}{
		{map[string]any{"match_program": "sub"}, []string{"sub", "job"}, true},
		{map[string]any{"match_program": "sub"}, []string{"/opt/bin/sub"}, true},
		{map[string]any{"match_program": "sub"}, []string{"sub < job"}, true},
		{map[string]any{"match_program": "sub"}, []string{"submit"}, false},
		{map[string]any{"match_program": "sub"}, []string{"echo", "sub"}, false},
		{map[string]any{"match": `^sub -\w`}, []string{"sub", "-q", "job"}, true},
		{map[string]any{"match": `^sub -\w`}, []string{"sub", "job"}, false},
		{map[string]any{"match": "-q", "match_program": "sub"}, []string{"sub", "-q"}, true},
		{map[string]any{"match": "-q", "match_program": "sub"}, []string{"other", "-q"}, false},
		{map[string]any{"match": "-q", "match_program": "sub"}, []string{"sub"}, false},
	} {
		table := in(c.values).Read()
		m := table.Match(shell)
		if err := table.Done(); err != nil {
			t.Errorf("%v: %v", c.values, err)
			continue
		}
		command, ok := m.Recognise(c.words)
		if ok != c.want || ok && command.Executor != "x" {
			t.Errorf("%v takes %q: %v, as %+v", c.values, c.words, ok, command)
		}
	}
	for wrong, values := range map[string]map[string]any{
		"executor.x.match at match: error parsing regexp": {"match": "("},
		"neither match nor match_program":                 {},
		`it takes a name alone, such as "sub"`:            {"match_program": "bin/sub"},
	} {
		table := in(values).Read()
		table.Match(shell)
		if err := table.Done(); !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v: %v, want %q", values, err, wrong)
		}
	}
}
