package custom

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"qme/record"
)

// printed returns the output of a command, as far as it stands in the record itself.
func printed(rec *record.Record) string {
	return strings.Join(rec.Data.Output, "") + "\n" + strings.Join(rec.Data.Error, "")
}

// captures are the regular expressions that find fields in a text.
type captures struct {
	exprs []expression
	// parts has for each field the expressions, one of which its value has to be.
	parts map[string][]*regexp.Regexp
}

// An expression may have {id} in it, which stands for the job's id and is known only
// when it is used; re is nil then.
type expression struct {
	text string
	re   *regexp.Regexp
}

// compileCaptures compiles expressions. The error does not say where they stand.
func compileCaptures(texts []string) (*captures, error) {
	c := &captures{parts: map[string][]*regexp.Regexp{}}
	for _, text := range texts {
		re, err := compileLines(strings.ReplaceAll(text, idPlaceholder, "0"))
		if err != nil {
			return nil, err
		}
		if len(re.SubexpNames()) < 2 || strings.Join(re.SubexpNames(), "") == "" {
			return nil, fmt.Errorf("%q captures nothing: write (?P<NAME>…) around what is to be known", text)
		}
		e := expression{text: text, re: re}
		if strings.Contains(text, idPlaceholder) {
			e.re = nil
		}
		c.exprs = append(c.exprs, e)
		if err := c.addParts(text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// idPlaceholder stands for the job's id in an expression, byte for byte.
const idPlaceholder = "{id}"

// byLine makes ^ and $ the ends of a line.
const byLine = "(?m)"

// compileLines compiles an expression for which ^ and $ are the ends of a line.
func compileLines(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(byLine + text)
	if err == nil {
		return re, nil
	}
	if _, own := regexp.Compile(text); own != nil {
		err = own // without the flag that was put before
	}
	return nil, err
}

// addParts notes the patterns of the fields of an expression.
func (c *captures) addParts(text string) error {
	tree, err := syntax.Parse(byLine+text, syntax.Perl)
	if err != nil {
		return err
	}
	var walk func(*syntax.Regexp) error
	walk = func(re *syntax.Regexp) error {
		if re.Op == syntax.OpCapture && re.Name != "" {
			part, err := regexp.Compile(`\A(?:` + re.Sub[0].String() + `)\z`)
			if err != nil {
				return err
			}
			c.parts[re.Name] = append(c.parts[re.Name], part)
		}
		for _, sub := range re.Sub {
			if err := walk(sub); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(tree)
}

// find returns the fields in a text; the first expression that finds one counts, and of
// it the first place. id is that of the job.
func (c *captures) find(text, id string) map[string]string {
	found := map[string]string{}
	text = strings.ToValidUTF8(text, "\uFFFD")
	for _, e := range c.exprs {
		re := e.re
		if re == nil {
			// With a text for {id} that was tried it compiled, and a quoted one is no
			// different.
			re = regexp.MustCompile(byLine + strings.ReplaceAll(e.text, idPlaceholder, "(?:"+regexp.QuoteMeta(id)+")"))
		}
		at := re.FindStringSubmatch(text)
		for i, name := range re.SubexpNames() {
			if at != nil && name != "" && at[i] != "" && found[name] == "" {
				found[name] = at[i]
			}
		}
	}
	return found
}

// fits reports whether a value could have been found for a field.
func (c *captures) fits(name, value string) bool {
	return slices.ContainsFunc(c.parts[name], func(re *regexp.Regexp) bool { return re.MatchString(value) })
}
