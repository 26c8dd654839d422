package query

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"qme/internal/lazy"
	"qme/internal/near"
	"qme/record"
)

// Fields are the names that can stand before a colon, for messages.
var Fields = []string{"command", "message", "output", "error", "pwd", "user", "host", "executor", "id", "commit", "branch", "in", "out", "status", "rc", "duration", "after", "before", "on", "run", "env", "job", "state", "partition", "memory", "program", "software", "container", "hash", "tag", "name", "note", "parent", "origin", "group", "param", "metric"}

// FieldWords returns what can stand before a colon, for messages: Fields, with those that a name follows as such.
func FieldWords() []string {
	words := slices.Clone(Fields)
	for _, kind := range Named {
		words = append(words, kind+".NAME")
	}
	return words
}

// StatusWords are the words of "status:" that need no field before them, for messages. "ok",
// "active" and the others are text.
var StatusWords = []string{"failed", "cancelled", "running", "queued"}

// otherNames are names that records, messages and other programs have for fields.
var otherNames = map[string]string{
	"returncode": "rc", "exit": "rc", "code": "rc", "exitcode": "rc", "ret": "rc",
	"stdout": "output", "out": "output", "stderr": "error", "err": "error",
	"cmd": "command", "args": "command", "msg": "message", "comment": "note",
	"dir": "pwd", "cwd": "pwd", "path": "pwd", "folder": "pwd", "directory": "pwd", "workdir": "pwd",
	"since": "after", "from": "after", "started": "after", "last": "after", "past": "after", "within": "after", "until": "before", "to": "before", "date": "on", "day": "on",
	"machine": "host", "hostname": "host", "node": "host", "login": "user", "username": "user", "task": "id", "sha": "commit",
	"jobid": "job", "queue": "partition", "runid": "run", "attempt": "run", "environment": "env", "variable": "env", "var": "env",
	"input": "in", "infile": "in", "read": "in", "outfile": "out", "made": "out", "wrote": "out", "created": "out", "file": "out",
	"mem": "memory", "ram": "memory", "rss": "memory", "maxrss": "memory", "peakmemory": "memory", "interpreter": "program", "exe": "program", "executable": "program", "binary": "program",
	"conda": "software", "venv": "software", "module": "software", "modules": "software", "package": "software", "image": "container", "docker": "container", "podman": "container", "apptainer": "container", "singularity": "container",
	"checksum": "hash", "digest": "hash",
	"label": "tag", "tags": "tag", "keyword": "tag", "notes": "note", "remark": "note",
	"sweep": "group", "params": "param", "parameter": "param", "parameters": "param", "hyperparameter": "param", "metrics": "metric", "score": "metric",
	"outcome": "status", "took": "duration", "time": "duration", "elapsed": "duration",
}

// Meant returns the field that a name in small letters stands for elsewhere, "" when it is
// none that is known.
func Meant(name string) string { return otherNames[name] }

// Options say how a query is read.
type Options struct {
	// Regex has words be regular expressions (RE2) instead of text: they distinguish
	// upper and lower case, and ^ and $ are the ends of a line.
	Regex bool
	// Now is what relative times count from, and its zone is that of times without
	// one.
	Now time.Time
	// Home is what ~ at the beginning of a directory stands for; "" leaves it.
	Home string
	// Dir is the directory for which . at the beginning of a directory stands, and above which
	// .. is, where words are text; with "" they are errors.
	Dir string
}

// A SyntaxError says what is wrong with a query. It is a record.ErrInvalid.
type SyntaxError struct {
	Query string
	Pos   int    // the byte of Query at which it is wrong
	Msg   string // what is wrong, and what would be right
	Field string // the field that does not exist, if it is that
	Text  string // what would be in quotes if it was meant as text, "" where that is not likely
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s (at character %d of the query)", e.Msg, 1+utf8.RuneCountInString(e.Query[:e.Pos]))
}

// Explain is Error, with the field that was probably meant.
func (e *SyntaxError) Explain() string {
	if best := cmp.Or(Meant(e.Field), near.Best(e.Field, Fields)); e.Field != "" && best != "" {
		return fmt.Sprintf("%s; did you mean %s:?", e, best)
	}
	return e.Error()
}

// Is makes the error a record.ErrInvalid.
func (e *SyntaxError) Is(target error) bool { return target == record.ErrInvalid }

// Parse reads a query. The error is a *SyntaxError.
func Parse(s string, o Options) (*Query, error) {
	p := &parser{in: s, opts: o}
	if len(s) > maxLength {
		at := maxLength
		for at > 0 && !utf8.RuneStart(s[at]) {
			at--
		}
		return nil, p.errorAt(at, "a query is at most %d KiB long", maxLength>>10)
	}
	root, err := p.list()
	if err != nil {
		return nil, err
	}
	root.sort()
	return &Query{root}, nil
}

// operator reads one of some words in capitals, and the blanks after it, if that is what
// comes.
func (p *parser) operator(words ...string) string {
	for _, w := range words {
		rest, ok := strings.CutPrefix(p.in[p.pos:], w)
		if ok && (rest == "" || startsWithSpace(rest) || endsGroups(rest)) {
			p.pos += len(w)
			p.skipSpace()
			return w
		}
	}
	return ""
}

type parser struct {
	in    string
	pos   int
	opts  Options
	depth int // groups that are open
	terms int // that were read
}

func (p *parser) errorAt(pos int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Query: p.in, Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

func (p *parser) skipSpace() {
	p.pos += len(p.in[p.pos:]) - len(strings.TrimLeftFunc(p.in[p.pos:], unicode.IsSpace))
}

// term reads [FIELD:]VALUE.
func (p *parser) term() (t term, err error) {
	at := p.pos
	name, err := p.field()
	if err != nil {
		return term{}, err
	}
	valueAt := p.pos
	value, quoted, err := p.value()
	if err != nil {
		return term{}, err
	}
	if !quoted && (name == "after" || name == "before" || name == "on") {
		value = p.cutTime(value)
	}
	switch {
	case name == "" && !quoted && slices.Contains(StatusWords, value):
		return p.status(value, at)
	case value == "" && name != "":
		return term{}, p.nothingBehind(at, valueAt, name)
	case value == "*" && !quoted && strings.Contains(name, "."):
		return term{}, p.errorAt(valueAt, "%s takes a value; %s finds all that have one, and \"*\" is the character itself", name+":", strings.Replace(name, ".", ":", 1))
	case value == "":
		return term{}, p.errorAt(at, "an empty phrase is in every task")
	case name != "" && !quoted && !p.opts.Regex && value[0] == '(' && p.partner(value) < 0:
		return term{}, p.errorAt(valueAt, "a field stands before each word: (%s:A OR %s:B); as text it is in quotes", name, name)
	}
	if !quoted && slices.Contains(textNames, name) {
		if t, ok, err := p.similar(name, value, valueAt); ok {
			return t, err
		}
	}
	t, err = p.condition(name, value, valueAt)
	t.place = [2]int{valueAt, p.pos}
	return t, err
}

// textNames are the fields that hold text, "" for all of them.
var textNames = []string{"", "command", "message", "output", "error", "pwd", "user", "host", "executor", "id", "commit", "branch", "in", "out", "note"}

// nothingBehind says that a condition has no value.
func (p *parser) nothingBehind(at, valueAt int, name string) error {
	err := p.errorAt(valueAt, "%s: needs something behind the colon", name)
	if next := firstWord(strings.TrimSpace(p.in[valueAt:])); next != "" && !slices.Contains(textNames, name) {
		if _, wrong := (&parser{in: next, opts: p.opts}).condition(name, next, 0); wrong == nil {
			err.Msg += "; did you mean " + name + ":" + next + "?"
			return err
		}
	}
	if err.Text = p.message(at); err.Text != "" {
		err.Msg += "; as text it is in quotes: \"" + err.Text + "\""
	}
	return err
}

// message returns the text of a message such as "ERROR: loss diverged" that begins at a byte
// of the query, up to the next condition, as it is written in quotes; "" when no blank and
// a word follow the colon.
func (p *parser) message(at int) string {
	words := strings.Fields(p.in[at:])
	if len(words) < 2 || !strings.HasSuffix(words[0], ":") {
		return ""
	}
	n := 1
	for n < len(words) && !strings.Contains(words[n], `"`) && (!fieldName().MatchString(words[n]) || strings.HasSuffix(words[n], ":")) {
		n++
	}
	text := strings.Join(words[:n], " ")
	if n == 1 || len(text) > 200 {
		return ""
	}
	if p.depth > 0 {
		text = text[:len(text)-p.closing(text)]
	}
	if p.opts.Regex { // in quotes, too, an expression is one
		return text
	}
	return strings.ReplaceAll(text, `\`, `\\`)
}

func startsWithSpace(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsSpace(r)
}

var fieldName = lazy.Regexp(`^([A-Za-z]{1,40}|` + named + `):`)

// named matches the name of a field that has one of Named before it.
const named = `(?i:param|metric)\.[A-Za-z0-9_./-]{1,100}`

// field reads FIELD: if that is what comes.
func (p *parser) field() (string, error) {
	rest := p.in[p.pos:]
	name := strings.TrimSuffix(fieldName().FindString(rest), ":")
	if name == "" || strings.HasPrefix(rest[len(name):], "://") {
		return "", nil // also a URL
	}
	kind, sub, hasName := strings.Cut(name, ".")
	known := strings.ToLower(kind)
	if hasName {
		if err := checkName(known, sub); err != nil {
			return "", p.errorAt(p.pos, "%v; as text it is in quotes", err)
		}
		p.pos += len(name) + 1
		return known + "." + sub, nil
	}
	if !slices.Contains(Fields, known) {
		text := p.message(p.pos)
		err := p.errorAt(p.pos, "there is no field %.60q; text with a colon is searched for in quotes: \"%s\"", name, cmp.Or(text, name+":…"))
		err.Field, err.Text = known, text
		return "", err
	}
	p.pos += len(name) + 1
	return known, nil
}

// value reads a word, or a phrase in quotes.
func (p *parser) value() (s string, quoted bool, err error) {
	rest := p.in[p.pos:]
	if !strings.HasPrefix(rest, `"`) {
		word := firstWord(rest)
		n := p.closing(word)
		word = word[:len(word)-n]
		p.pos += len(word)
		if n > 0 && p.depth == 0 {
			return "", false, p.notOpened(p.pos)
		}
		return word, false, nil
	}
	at := p.pos
	var b strings.Builder
	for p.pos++; p.pos < len(p.in); p.pos++ {
		c := p.in[p.pos]
		switch {
		case c == '"':
			p.pos++
			if p.pos < len(p.in) && !startsWithSpace(p.in[p.pos:]) && !p.closes() {
				return "", true, p.errorAt(p.pos, "behind a phrase comes a blank; a quotation mark in it is written \\\"")
			}
			return b.String(), true, nil
		case c == '\\' && p.pos+1 < len(p.in) && (p.in[p.pos+1] == '"' || p.in[p.pos+1] == '\\' && !p.opts.Regex):
			p.pos++
			c = p.in[p.pos]
		case c == '\\' && p.opts.Regex && p.pos+1 < len(p.in):
			b.WriteByte(c) // an escape of the expression, whose second character stays
			p.pos++
			c = p.in[p.pos]
		}
		b.WriteByte(c)
	}
	return "", true, p.errorAt(at, "the quotation mark that ends this phrase is missing")
}

// condition makes a term of a field, "" for anywhere, and what stands behind it.
func (p *parser) condition(name, value string, at int) (term, error) {
	if kind, sub, ok := strings.Cut(name, "."); ok {
		return p.pair(kind, sub, value, at)
	}
	switch name {
	case "param", "metric":
		return p.has(name, value, at)
	case "group":
		return oneOf(name, value, groupOf), nil
	case "status":
		return p.status(value, at)
	case "rc":
		o, rest := cutOperator(value)
		n, err := strconv.Atoi(rest)
		if err != nil {
			return term{}, p.errorAt(at, "rc: takes a number such as 1, >0 or !=0, not %.60q", value)
		}
		return term{test: returncode(o, n), values: returncodeValues(o, n)}, nil
	case "duration":
		o, rest := cutOperator(value)
		d, ok := parseLength(rest)
		if !ok || o == "" || o == "=" || o == "!=" {
			err := p.errorAt(at, "duration: takes <, <=, > or >= and a time such as 90s, 1.5h or 2d, not %.60q", value)
			if meant := inUnits(rest); meant != "" && o != "" {
				err.Msg += fmt.Sprintf("; did you mean duration:%s%s?", o, meant)
			}
			return term{}, err
		}
		return term{test: duration(o, d, p.opts.Now), values: durationValues(o, d)}, nil
	case "after", "before", "on":
		return p.when(name, value, at)
	case "env":
		return p.env(value, at)
	case "run":
		return p.run(value, at)
	case "job":
		return job(value), nil
	case "state":
		return oneOf(name, value, statesOf), nil
	case "partition":
		return oneOf(name, value, partitionsOf), nil
	case "tag":
		return oneOf(name, value, tagsOf), nil
	case "name":
		return oneOf(name, value, nameOf), nil
	case "parent":
		return idOf(name, value, parentsOf), nil
	case "origin":
		return idOf(name, value, originsOf), nil
	case "memory":
		return p.memory(value, at)
	case "program":
		return partOf(name, value, ProgramsOf), nil
	case "software":
		return partOf(name, value, SoftwareOf), nil
	case "container":
		return partOf(name, value, ContainersOf), nil
	case "hash":
		return p.hash(value, at)
	case "pwd", "in", "out":
		var err error
		if value, err = p.expandDir(name, p.expandHome(value), at); err != nil {
			return term{}, err
		}
	}
	return p.text(field(name), value, at)
}

func cutOperator(s string) (operator, string) {
	for _, o := range []operator{"<=", ">=", "!=", "<", ">", "="} {
		if rest, ok := strings.CutPrefix(s, string(o)); ok {
			return o, rest
		}
	}
	return "", s
}

func (p *parser) status(value string, at int) (term, error) {
	set, ok := record.ParseOutcomes(value)
	if !ok {
		err := p.errorAt(at, "status: is one of %s, not %.60q", record.OutcomeWords, value)
		if meant := cmp.Or(otherStatus[strings.ToLower(value)], near.Best(strings.ToLower(value), StatusWords)); meant != "" {
			err.Msg += "; did you mean status:" + meant + "?"
		}
		return term{}, err
	}
	return term{test: hasOutcome(set), values: statusValues(set.MayHave, set.Exact())}, nil
}

// otherStatus are words that other programs have for a status.
var otherStatus = map[string]string{
	"fail": "failed", "failure": "failed", "error": "failed", "errored": "failed", "crashed": "failed",
	"pass": "ok", "passed": "ok", "done": "ok", "finished": "ok", "completed": "ok", "pending": "queued", "waiting": "queued", "killed": "cancelled", "aborted": "cancelled",
}

// expandHome replaces a ~ as a shell would have, in regular expressions as well.
func (p *parser) expandHome(value string) string {
	if p.opts.Home == "" || value != "~" && !strings.HasPrefix(value, "~/") {
		return value
	}
	home := p.opts.Home
	if p.opts.Regex {
		home = regexp.QuoteMeta(home)
	}
	return home + value[1:]
}

// expandDir replaces a . or .. at the beginning, which stand for the current directory and the one
// above it.
func (p *parser) expandDir(name, value string, at int) (string, error) {
	first, _, _ := strings.Cut(value, "/")
	switch {
	case p.opts.Regex || first != "." && first != "..":
		return value, nil
	case p.opts.Dir == "":
		return "", p.errorAt(at, "%s: takes a whole path here, where there is no current directory for %.60q", name, value)
	}
	return path.Join(p.opts.Dir, value), nil
}

func (p *parser) text(f field, value string, at int) (term, error) {
	if !p.opts.Regex {
		return term{field: f, needle: Fold(value)}, nil
	}
	re, err := regexp.Compile("(?m:" + norm.NFC.String(value) + ")")
	if err != nil {
		msg := err.Error()
		if e := new(syntax.Error); errors.As(err, &e) { // it quotes a piece of what we compile
			msg = e.Code.String()
		}
		return term{}, p.errorAt(at, "%.60q is no regular expression: %s", value, msg)
	}
	return term{field: f, regex: re}, nil
}
