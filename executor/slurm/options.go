package slurm

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/internal/regular"
)

// A request has the options of sbatch that say where output goes.
type request struct {
	output, errors string // patterns, as they were given
	chdir, name    string
	array          bool
	script         string // "" for none, or one from standard input
	wrap           bool
	quiet          bool
	parsable       bool
	none           bool // it submits nothing: --help, --test-only
	append         bool // output is appended to the file: --open-mode=append
}

// short are the options of one letter that take a value (sbatch(1)); -k may have one, in
// the same word.
const short = "aAbBcCdDeFGiJLmMnNopqStuwx"

// flags are the long options that take no value, and optional those that take one only
// after "=". All others take one.
var (
	flags = []string{"contiguous", "help", "hold", "ignore-pbs", "no-requeue", "overcommit", "oversubscribe", "parsable", "quiet", "reboot",
		"requeue", "share", "spread-job", "test-only", "usage", "use-min-nodes", "verbose", "version", "wait"}
	optional = []string{"exclusive", "get-user-env", "nice", "no-kill", "propagate", "resv-ports"}
	// meant are the long options that matter here, by the letter of the short one.
	meant = map[string]byte{"output": 'o', "error": 'e', "chdir": 'D', "workdir": 'D', "job-name": 'J', "array": 'a', "quiet": 'Q',
		"help": 'h', "usage": 'h', "version": 'V'}
)

// parse reads the arguments of sbatch, up to the script. Of a heterogeneous job it is
// the first component that counts.
func parse(args []string) request {
	var r request
	other := false
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == ":":
			other = true
		case arg == "--":
			if len(args) > 0 {
				r.script = args[0]
			}
			return r
		case strings.HasPrefix(arg, "--"):
			name, value, has := strings.Cut(arg[2:], "=")
			if name = complete(name); !has && takesValue(name) && len(args) > 0 {
				value, args = args[0], args[1:]
			}
			if !other {
				r.long(name, value)
			}
		case len(arg) > 1 && arg[0] == '-':
			args = r.letters(arg[1:], args, other)
		default:
			r.script = arg
			return r
		}
	}
	return r
}

// letters reads a word of short options and returns the words left.
func (r *request) letters(word string, args []string, other bool) []string {
	for i := 0; i < len(word); i++ {
		c, value := word[i], ""
		switch {
		case c == 'k':
			return args
		case strings.IndexByte(short, c) >= 0:
			if value = word[i+1:]; value == "" && len(args) > 0 {
				value, args = args[0], args[1:]
			}
			i = len(word)
		}
		if !other {
			r.set(c, value)
		}
	}
	return args
}

// complete returns the long option that a beginning of it means (getopt_long(3)).
func complete(name string) string {
	if !takesValue(name) {
		return name
	}
	found := name
	for full := range meant {
		if full == name {
			return name
		}
		if len(name) > 2 && strings.HasPrefix(full, name) {
			found = full
		}
	}
	return found
}

func takesValue(name string) bool {
	return !slices.Contains(flags, name) && !slices.Contains(optional, name)
}

func (r *request) long(name, value string) {
	switch name {
	case "parsable":
		r.parsable = true
	case "test-only":
		r.none = true
	case "wrap":
		r.wrap = true
	case "open-mode":
		r.append = strings.HasPrefix(value, "a")
	default:
		if c, ok := meant[name]; ok {
			r.set(c, value)
		}
	}
}

func (r *request) set(c byte, value string) {
	switch c {
	case 'o':
		r.output = value
	case 'e':
		r.errors = value
	case 'D':
		r.chdir = value
	case 'J':
		r.name = value
	case 'a':
		r.array = true
	case 'Q':
		r.quiet = true
	case 'h', 'V':
		r.none = true
	}
}

// fillFrom fills in the options that r does not have from a request of less weight.
func (r *request) fillFrom(less request) {
	for _, s := range []struct {
		to   *string
		from string
	}{{&r.output, less.output}, {&r.errors, less.errors}, {&r.chdir, less.chdir}, {&r.name, less.name}} {
		if *s.to == "" {
			*s.to = s.from
		}
	}
	r.array, r.none, r.quiet = r.array || less.array, r.none || less.none, r.quiet || less.quiet
	r.append = r.append || less.append
}

// scriptLimit is how far into a script directives are looked for.
const scriptLimit = 1 << 20

// directives reads the #SBATCH lines of a script file; ok is false when it cannot be
// read.
func directives(path string) (r request, ok bool) {
	f, err := regular.OpenHere(path, os.O_RDONLY, 0)
	if err != nil {
		return r, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, scriptLimit))
	if err != nil {
		return r, false
	}
	return inScript(b), true
}

// inScript reads #SBATCH lines: those before the first command count, and of a
// heterogeneous job those of the first component.
func inScript(script []byte) request {
	var args []string
	lines := bufio.NewScanner(bytes.NewReader(script))
	lines.Buffer(nil, scriptLimit)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if rest, ok := strings.CutPrefix(line, "#SBATCH"); ok && strings.TrimLeft(rest, " \t") != rest {
			words := split(rest)
			if len(words) > 0 && (words[0] == "hetjob" || words[0] == "packjob") {
				break
			}
			args = append(args, words...)
			continue
		}
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			break
		}
	}
	return parse(args)
}

// split cuts a directive into words, as sbatch does: quotes, backslashes, and a "#" that
// begins a comment.
func split(line string) []string {
	var words []string
	var word strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			in = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, in = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		case quote == 0 && c == '#' && !in:
			return words
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}

// requestOf returns the request of an invocation in a directory: the command line counts most,
// then the environment, then the script. whole is false when the script cannot be read,
// so that there may be more.
func requestOf(in *invocation, dir string, recorded map[string]string) (r request, whole bool) {
	r = parse(in.args)
	variable := func(name string) string {
		if v, ok := in.env[name]; ok {
			return v
		}
		return recorded[name]
	}
	r.fillFrom(request{output: variable("SBATCH_OUTPUT"), errors: variable("SBATCH_ERROR"), name: variable("SBATCH_JOB_NAME"),
		array: variable("SBATCH_ARRAY_INX") != "", append: strings.HasPrefix(variable("SBATCH_OPEN_MODE"), "a")})
	script, whole := r.script, true
	switch {
	case r.wrap:
		if r.name == "" {
			r.name = "wrap"
		}
		return r, true
	case script == "" && in.stdin != "":
		script = in.stdin
	case r.name == "":
		defer func(base string) {
			if r.name == "" {
				r.name = base
			}
		}(filepath.Base(script))
	}
	var below request
	if script == "" || strings.Contains(script, unknown) {
		whole = false
	} else if below, whole = directives(absolute(dir, script)); whole {
		r.fillFrom(below)
	}
	return r, whole
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
