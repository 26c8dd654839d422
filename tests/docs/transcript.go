package docs

import (
	"fmt"
	"regexp"
	"strings"
)

// A transcript is a fenced block marked "console".
type transcript struct {
	file  string
	line  int // of the fence
	skip  string
	fresh bool // starts in a new home
	steps []step
}

// A step is a command and what it prints.
type step struct {
	line    int
	command string
	want    []string
}

// directive is a comment that says how the block behind it is to be run.
var directive = regexp.MustCompile(`^\s*<!--\s*transcript:\s*(\S*)\s*(.*?)\s*-->\s*$`)

// parseTranscripts returns the transcripts of a file in their order.
func parseTranscripts(file string, lines []line) ([]transcript, error) {
	p := parser{file: file}
	for _, l := range lines {
		if err := p.take(l); err != nil {
			return nil, err
		}
	}
	if err := p.noDirective(); err != nil {
		return nil, err
	}
	return p.found, nil
}

type parser struct {
	file  string
	found []transcript
	open  *fence      // of the latest block
	next  *transcript // what a directive says of the block to come
}

func (p *parser) take(l line) error {
	if l.fence == nil {
		return p.prose(l)
	}
	if !isConsole(l.fence) {
		return p.noDirective()
	}
	if l.fence != p.open {
		p.open = l.fence
		t := transcript{file: p.file}
		if p.next != nil {
			t = *p.next
			p.next = nil
		}
		t.line = l.fence.number
		p.found = append(p.found, t)
	}
	return p.found[len(p.found)-1].add(l)
}

// prose takes a line outside of blocks, or a fence.
func (p *parser) prose(l line) (err error) {
	if directive.MatchString(l.text) {
		if err = p.noDirective(); err == nil {
			p.next, err = parseDirective(p.file, l)
		}
		return err
	}
	if strings.TrimSpace(l.text) == "" || parseFence(l.text) != nil {
		return nil
	}
	return p.noDirective()
}

// noDirective is called where a directive would have no block to go with.
func (p *parser) noDirective() error {
	if p.next == nil {
		return nil
	}
	return fmt.Errorf("%s:%d: no transcript follows this directive", p.file, p.next.line)
}

func isConsole(f *fence) bool {
	kind, _, _ := strings.Cut(f.info, " ")
	return kind == "console"
}

func parseDirective(file string, l line) (*transcript, error) {
	m := directive.FindStringSubmatch(l.text)
	t := &transcript{file: file, line: l.number}
	switch {
	case m[1] == "skip" && m[2] != "":
		t.skip = m[2]
	case m[1] == "skip":
		return nil, fmt.Errorf("%s:%d: transcript: skip needs a reason", file, l.number)
	case m[1] == "fresh" && m[2] == "":
		t.fresh = true
	default:
		return nil, fmt.Errorf("%s:%d: transcript: want \"skip REASON\" or \"fresh\"", file, l.number)
	}
	return t, nil
}

// add takes a line of the block: a command, the continuation of one, or output.
func (t *transcript) add(l line) error {
	last := len(t.steps) - 1
	if command, ok := strings.CutPrefix(l.text, "$ "); ok {
		t.steps = append(t.steps, step{line: l.number, command: command})
		return nil
	}
	if last < 0 {
		return fmt.Errorf("%s:%d: a transcript begins with a command: \"$ \"", t.file, l.number)
	}
	s := &t.steps[last]
	if more, ok := strings.CutPrefix(l.text, "> "); ok && len(s.want) == 0 {
		s.command += "\n" + more
		return nil
	}
	s.want = append(s.want, l.text)
	return nil
}
