package query

import (
	"errors"
	"fmt"
	"strings"

	"qme/record"
)

// Below returns the query for the runs whose directory is one of some directories or lies below
// one, by their paths.
func Below(dirs ...string) *Query {
	among := node{any: true}
	for _, dir := range dirs {
		inside := strings.TrimSuffix(dir, "/") + "/"
		is := func(pwd string) bool { return pwd == dir || strings.HasPrefix(pwd, inside) }
		among.nodes = append(among.nodes, node{term: &term{
			values: values{Leaf{Field: "pwd", Prefix: strings.TrimSuffix(dir, "/"), Admits: is}, true},
			test:   func(r *record.Record) bool { return is(r.Data.PWD) },
		}})
	}
	return &Query{among}
}

// Tagged returns the query for the tasks with a tag, in upper or lower case.
func Tagged(tag string) *Query {
	t := oneOf("tag", tag, tagsOf)
	return &Query{node{term: &t}}
}

// Since returns the query for the runs that began at a time or later, which is written as after
// "after:". The error says how times are written, and what was probably meant.
func Since(when string, o Options) (*Query, error) {
	p := &parser{opts: o}
	from, _, ok := p.span(when, false)
	if !ok {
		msg := fmt.Sprintf("takes %s, not %.60q", timeExamples, when)
		if meant := p.meantTime(when); meant != "" {
			msg += fmt.Sprintf("; did you mean %s?", meant)
		}
		return nil, errors.New(msg)
	}
	t := began(from, noTime)
	return &Query{node{term: &t}}, nil
}
