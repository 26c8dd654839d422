package custom

import (
	"strings"
	"testing"

	"qme/executor"
	"qme/executor/section"
	"qme/record"
)

// FuzzFill hands on what another home may have written into a record. Each argument stays
// one, its fixed text stays where it is, and none becomes an option.
func FuzzFill(f *testing.F) {
	for _, v := range []string{"12", "--force", "", "-", "{id}", "{{id}}", "a b; rm", "a\nb", "\x1b[2J", "\xff", "{x}{id}"} {
		f.Add(v, "{id}", `\S+`)
		f.Add(v, "--job={id}", `.*`)
		f.Add("7", v, `\d+`)
	}
	f.Fuzz(func(t *testing.T, id, arg, group string) {
		s := section.Section{Name: "x", Where: func(...string) string { return "" }, Values: map[string]any{
			"match": "x", "capture": []any{"(?P<id>" + group + ")"},
			"actions": map[string]any{"a": map[string]any{"cmd": []any{"prog", arg}}},
		}}
		e, err := New(s, &executor.Shell{Program: "sh"}, func(error) {})
		if err != nil {
			return
		}
		p := e.(*plain)
		argv, err := p.argv(p.spec.actions[0], &record.Record{Data: record.Data{Job: &record.Job{ID: id}}})
		if err != nil {
			return
		}
		if len(argv) != 2 || argv[0] != "prog" {
			t.Fatalf("%q has become %q", arg, argv)
		}
		names := placeholders(arg)
		if len(names) == 0 {
			if argv[1] != arg {
				t.Fatalf("%q without placeholders has become %q", arg, argv[1])
			}
			return
		}
		if !harmless(id) || !p.mustCompile(t).submitted.fits("id", id) {
			t.Fatalf("%q was filled in, which (?P<id>%s) does not capture", id, group)
		}
		fixed := arg[:strings.Index(arg, "{")]
		if !strings.HasPrefix(argv[1], fixed) || fixed == "" && strings.HasPrefix(arg, "{id}") && (argv[1] == "" || argv[1][0] == '-') {
			t.Fatalf("%q with %q has become %q", arg, id, argv[1])
		}
	})
}

func (p *plain) mustCompile(t *testing.T) *compiled {
	c, err := p.compiled()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzAnswer reads what a scheduler may print. What is recorded can be written, and read
// again as the same.
func FuzzAnswer(f *testing.F) {
	for _, v := range []string{"271", "-3", "0", "99999999999999999999", "1e300", "NaN", "-Inf", "64:26:16", "1-02:03:04.5", "3548kb", "18.211KB", "1e9",
		"Wed Jun 24 15:33:18 2020", "0001-01-01T00:00:00Z", "2023-03-07T12:53:02.625390037Z", "9999-12-31T23:59:59+23:59", "1471518210", "1286911058.5", "\xff\x00"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := answer{}
		for name := range numbers {
			found[name] = strings.ToValidUTF8(text, "\uFFFD")
		}
		job := &record.Job{ID: "1"}
		found.fill(job)
		b, err := job.MarshalJSON()
		if err != nil {
			t.Fatalf("%q makes a job that cannot be written: %v", text, err)
		}
		var again record.Job
		if err := again.UnmarshalJSON(b); err != nil {
			t.Fatalf("%q makes a job that cannot be read: %v\n%s", text, err, b)
		}
		if rc := job.ReturnCode; rc != nil && (*rc < 0 || *rc > 255) {
			t.Fatalf("%q is return code %d", text, *rc)
		}
		if job.Elapsed < 0 || job.MaxRSS < 0 || job.CPUs < 0 {
			t.Fatalf("%q makes %+v", text, job)
		}
	})
}
