package custom

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// compiled is a spec that is ready to be used.
type compiled struct {
	submitted *captures
	asked     []*asked // the question and those that are asked otherwise
}

// asked is a question that is ready to be asked.
type asked struct {
	*question
	captures      *captures
	join, unknown *regexp.Regexp // or nil
}

// compile prepares a spec. The error wraps record.ErrInvalid and says where it is.
func compile(sp *spec) (*compiled, error) {
	c := new(compiled)
	var err error
	if c.submitted, err = compileCaptures(sp.capture); err != nil {
		return nil, sp.section.Errorf([]string{"capture"}, "%v", err)
	}
	if sp.refresh != nil && c.submitted.parts["id"] == nil {
		return nil, sp.section.Errorf([]string{"capture"}, "none of its groups is (?P<id>…), the job's id, which refresh needs")
	}
	for q := sp.refresh; q != nil; q = q.otherwise {
		a, err := compileQuestion(sp, q)
		if err != nil {
			return nil, err
		}
		c.asked = append(c.asked, a)
	}
	return c, c.checkPlaceholders(sp)
}

func compileQuestion(sp *spec, q *question) (*asked, error) {
	a := &asked{question: q}
	fail := func(key string, err error) (*asked, error) {
		return nil, sp.section.Errorf(append(slices.Clone(q.path[:len(q.path)-1]), key), "%v", err)
	}
	var err error
	if a.captures, err = compileCaptures(q.capture); err != nil {
		return fail("capture", err)
	}
	if a.captures.parts["state"] == nil {
		return fail("capture", fmt.Errorf("none of its groups is (?P<state>…), the job's state"))
	}
	if a.captures.parts["id"] != nil {
		return fail("capture", fmt.Errorf("a job's id does not change: (?P<id>…) is for what the command prints"))
	}
	if a.join, err = compileLines(q.join); err != nil {
		return fail("join", err)
	}
	if a.unknown, err = compileLines(q.unknown); err != nil {
		return fail("unknown", err)
	}
	if q.join == "" {
		a.join = nil
	}
	if q.unknown == "" {
		a.unknown = nil
	}
	return a, nil
}

// checkPlaceholders looks for placeholders that nothing fills in.
func (c *compiled) checkPlaceholders(sp *spec) error {
	known := c.placeholders()
	check := func(path, cmd []string) error {
		for _, name := range placeholders(strings.Join(cmd, "\n")) {
			if !known[name] {
				return sp.section.Errorf(path, "nothing fills in {%s}: there are %s", name,
					"{"+strings.Join(slices.Sorted(maps.Keys(known)), "}, {")+"}")
			}
		}
		return nil
	}
	for _, a := range c.asked {
		if err := check(a.path, a.cmd); err != nil {
			return err
		}
	}
	for _, a := range sp.actions {
		if err := check(a.path, a.cmd); err != nil {
			return err
		}
	}
	return nil
}

// placeholders returns the names that may stand in a command: those of the task itself, and
// fields whose value is kept as it was found.
func (c *compiled) placeholders() map[string]bool {
	known := map[string]bool{"pwd": true, "uid": true}
	for name := range c.submitted.parts {
		known[name] = true
	}
	for _, a := range c.asked {
		for name := range a.captures.parts {
			known[name] = true
		}
	}
	for name := range numbers {
		delete(known, name)
	}
	delete(known, "state")
	return known
}
