package query

import (
	"errors"
	"fmt"
	"strings"
	"time"

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

// Since returns the query for the runs that began at a time or later.
func Since(at time.Time) *Query {
	t := began(at, noTime)
	return &Query{node{term: &t}}
}

// Time reads a time as "after:" does. The error says how times are written, and what was probably meant.
func Time(text string, o Options) (time.Time, error) {
	p := &parser{opts: o}
	from, _, ok := p.span(text, false)
	if !ok {
		msg := fmt.Sprintf("takes %s, not %.60q", timeExamples, text)
		if meant := p.meantTime(text); meant != "" {
			msg += fmt.Sprintf("; did you mean %s?", meant)
		}
		return from, errors.New(msg)
	}
	return from, nil
}
