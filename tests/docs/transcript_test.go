package docs

import (
	"reflect"
	"strings"
	"testing"
)

// page makes Markdown of lines in which ”' stands for three backquotes.
func page(lines ...string) []byte {
	return []byte(strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "'''", "```"))
}

func parse(t *testing.T, lines ...string) ([]transcript, error) {
	t.Helper()
	read, err := readLines("p.md", page(lines...))
	if err != nil {
		return nil, err
	}
	return parseTranscripts("p.md", read)
}

func TestParseTranscripts(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []transcript
	}{
		{"none", []string{"text", "'''sh", "$ ls", "'''", "$ ls"}, nil},
		{"commands and output", []string{"text", "'''console", "$ ls", "a", "", "b", "$ true", "$ pwd", "/", "'''"},
			[]transcript{{file: "p.md", line: 2, steps: []step{
				{3, "ls", []string{"a", "", "b"}}, {7, "true", nil}, {8, "pwd", []string{"/"}}}}}},
		{"continued command", []string{"'''console", "$ for i in 1 2; do", ">   echo $i", "> done", "1", "> 2", "'''"},
			[]transcript{{file: "p.md", line: 1, steps: []step{
				{2, "for i in 1 2; do\n  echo $i\ndone", []string{"1", "> 2"}}}}}},
		{"two blocks", []string{"'''console", "$ a", "'''", "'''console", "$ b", "'''"},
			[]transcript{{file: "p.md", line: 1, steps: []step{{2, "a", nil}}}, {file: "p.md", line: 4, steps: []step{{5, "b", nil}}}}},
		{"in a list", []string{"- do", "", "  '''console", "  $ a", "    b", "  '''"},
			[]transcript{{file: "p.md", line: 3, steps: []step{{4, "a", []string{"  b"}}}}}},
		{"long fence", []string{"~~~~console", "$ cat x", "~~~", "~~~~"},
			[]transcript{{file: "p.md", line: 1, steps: []step{{2, "cat x", []string{"~~~"}}}}}},
		{"block within a block", []string{"~~~markdown", "'''console", "$ a", "'''", "~~~"}, nil},
		{"more words behind console", []string{"'''console title=x", "$ a", "'''"},
			[]transcript{{file: "p.md", line: 1, steps: []step{{2, "a", nil}}}}},
		{"skipped", []string{"<!-- transcript: skip needs a cluster -->", "", "'''console", "$ a", "'''", "'''console", "$ b", "'''"},
			[]transcript{{file: "p.md", line: 3, skip: "needs a cluster", steps: []step{{4, "a", nil}}}, {file: "p.md", line: 6, steps: []step{{7, "b", nil}}}}},
		{"fresh", []string{"<!-- transcript: fresh -->", "'''console", "$ a", "'''"},
			[]transcript{{file: "p.md", line: 2, fresh: true, steps: []step{{3, "a", nil}}}}},
		{"a directive shown in a block", []string{"'''", "<!-- transcript: skip x -->", "'''", "text"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t, tt.lines...)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestParseTranscriptsRefuses(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"output first", []string{"'''console", "out", "'''"}, "p.md:2: a transcript begins with a command"},
		{"no end", []string{"x", "'''console", "$ a"}, "p.md:2: this block has no end"},
		{"skip without a reason", []string{"<!-- transcript: skip -->", "'''console", "$ a", "'''"}, "p.md:1: transcript: skip needs a reason"},
		{"unknown directive", []string{"<!-- transcript: slow -->", "'''console", "$ a", "'''"}, "p.md:1: transcript: want"},
		{"no block", []string{"<!-- transcript: skip x -->"}, "p.md:1: no transcript follows"},
		{"text in between", []string{"<!-- transcript: skip x -->", "text", "'''console", "$ a", "'''"}, "p.md:1: no transcript follows"},
		{"another block", []string{"<!-- transcript: skip x -->", "'''sh", "a", "'''", "'''console", "$ a", "'''"}, "p.md:1: no transcript follows"},
		{"two directives", []string{"<!-- transcript: skip x -->", "<!-- transcript: fresh -->", "'''console", "$ a", "'''"}, "p.md:1: no transcript follows"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t, tt.lines...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v and error %v, want %q", got, err, tt.want)
			}
		})
	}
}
