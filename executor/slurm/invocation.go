package slurm

import (
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"qme/internal/shellline"
)

// unknown stands for a word whose value only a shell that runs it knows. No argument of a
// program holds a NUL.
const unknown = "\x00"

// An invocation is sbatch as it is called.
type invocation struct {
	args []string          // after its name
	env  map[string]string // variables that are set for it alone
	// stdin is the file that its standard input is redirected from: "" for none,
	// unknown for one that cannot be told.
	stdin string
}

// depth bounds how many shells and envs may stand around sbatch.
const depth = 4

// find returns the invocation that argv comes to; nil when it is none of sbatch alone.
func find(argv []string, shells ...string) *invocation {
	return search(argv, shells, depth)
}

func search(argv, shells []string, left int) *invocation {
	if len(argv) == 0 || left == 0 {
		return nil
	}
	switch name := filepath.Base(argv[0]); {
	case name == "sbatch":
		return &invocation{args: argv[1:], env: map[string]string{}}
	case name == "env":
		return afterEnv(argv[1:], shells, left-1)
	case shellline.IsShell(name) || slices.Contains(shells, name) || slices.Contains(shells, argv[0]):
		if line, _, ok := shellline.Command(argv[1:]); ok {
			return inLine(line, shells, left-1)
		}
	}
	return nil
}

// afterEnv reads the arguments of env(1).
func afterEnv(args, shells []string, left int) *invocation {
	env := map[string]string{}
	for len(args) > 0 {
		arg := args[0]
		name, value, assigns := strings.Cut(arg, "=")
		switch {
		case arg == "-u" || arg == "--unset" || arg == "-C" || arg == "--chdir":
			if len(args) < 2 || strings.HasSuffix(arg, "C") || arg == "--chdir" {
				return nil // in another directory other files are meant
			}
			env[args[1]] = ""
			args = args[1:]
		case name == "--unset":
			env[value] = ""
		case strings.HasPrefix(arg, "-u"):
			env[arg[2:]] = ""
		case arg == "-i" || arg == "-" || arg == "--ignore-environment":
			env = map[string]string{"SBATCH_OUTPUT": "", "SBATCH_ERROR": "", "SBATCH_ARRAY_INX": ""}
		case strings.HasPrefix(arg, "-") && arg != "--":
			return nil
		case assigns:
			env[name] = value
		default:
			if arg == "--" {
				args = args[1:]
			}
			return within(search(args, shells, left), env)
		}
		args = args[1:]
	}
	return nil
}

// within adds the settings around an invocation.
func within(in *invocation, env map[string]string) *invocation {
	if in == nil {
		return nil
	}
	for name, value := range env {
		if _, ok := in.env[name]; !ok {
			in.env[name] = value
		}
	}
	return in
}

// inLine finds sbatch where it is the only command of a line.
func inLine(line string, shells []string, left int) *invocation {
	if !strings.Contains(line, "sbatch") {
		return nil // nearly every line: it need not be parsed
	}
	file, err := shellline.Parse(line)
	if err != nil || len(file.Stmts) != 1 {
		return nil
	}
	stmt := file.Stmts[0]
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || stmt.Negated || stmt.Background || stmt.Coprocess {
		return nil
	}
	argv := make([]string, len(call.Args))
	for i, w := range call.Args {
		argv[i] = text(w)
	}
	if len(argv) > 0 && argv[0] == "exec" {
		argv = argv[1:]
	}
	in := search(argv, shells, left)
	env := map[string]string{}
	for _, a := range call.Assigns {
		if a.Name != nil && !a.Append {
			env[a.Name.Value] = text(a.Value)
		}
	}
	if in = within(in, env); in == nil {
		return nil
	}
	for _, r := range stmt.Redirs {
		redirect(in, r)
	}
	return in
}

func redirect(in *invocation, r *syntax.Redirect) {
	switch {
	case r.N != nil && r.N.Value != "0":
	case r.Op == syntax.RdrIn:
		in.stdin = text(r.Word)
	case r.Op == syntax.Hdoc, r.Op == syntax.DashHdoc, r.Op == syntax.WordHdoc, r.Op == syntax.DplIn, r.Op == syntax.RdrInOut:
		in.stdin = unknown
	}
}

// text returns the value of a shell's word, or unknown.
func text(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	var b strings.Builder
	for i, part := range w.Parts {
		s, ok := literal(part, i == 0)
		if !ok {
			return unknown
		}
		b.WriteString(s)
	}
	return b.String()
}

func literal(part syntax.WordPart, first bool) (string, bool) {
	switch p := part.(type) {
	case *syntax.Lit:
		if strings.ContainsAny(p.Value, "*?[{") || first && strings.HasPrefix(p.Value, "~") {
			return "", false
		}
		return unescape(p.Value, ""), true
	case *syntax.SglQuoted:
		return p.Value, !p.Dollar
	case *syntax.DblQuoted:
		var b strings.Builder
		for _, inner := range p.Parts {
			lit, ok := inner.(*syntax.Lit)
			if !ok {
				return "", false
			}
			b.WriteString(unescape(lit.Value, "$`\"\\"))
		}
		return b.String(), !p.Dollar
	}
	return "", false
}

// unescape removes the backslashes before those characters, or before any when there are
// none given (POSIX.1-2017, XCU 2.2).
func unescape(s, special string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (special == "" || strings.IndexByte(special+"\n", s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
