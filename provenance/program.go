package provenance

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/syntax"

	"qme/provenance/software"
	"qme/record"
)

// A program is an executable file as it was when it was found.
type program struct {
	path, real  string
	state       *state
	interpreter string // the path of another program; "" for none
}

// A programs has each program once, in the order in which they were named.
type programs struct {
	c    Command
	path string // the value of PATH
	list []*program
	lost bool // a program was looked for in a PATH that is not known
}

func newPrograms(c Command) *programs {
	p := &programs{c: c, path: "/bin:/usr/bin"} // what is searched without a PATH
	for _, kv := range c.Env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			p.path = cmp.Or(path, ".")
			break
		}
	}
	return p
}

// find returns the program that a name stands for, nil if there is none. It is not opened.
func (p *programs) find(name string) *program {
	switch {
	case name == "":
		return nil
	case strings.Contains(name, "/"):
		return p.at(name)
	}
	for _, dir := range filepath.SplitList(p.path) {
		if found := p.at(filepath.Join(cmp.Or(dir, "."), name)); found != nil {
			return found
		}
	}
	return nil
}

// at returns the program at a path, nil if there is none.
func (p *programs) at(path string) *program {
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.c.Dir, path)
	}
	s, err := stateOf(path)
	if err != nil || s == nil || unix.Access(path, unix.X_OK) != nil {
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path // it has just been removed
	}
	return &program{path: filepath.Clean(path), real: real, state: s}
}

// add adds a program, and the interpreters of scripts.
func (p *programs) add(one *program) {
	for range 5 { // a script may be that of another one, as far as the kernel goes
		if one == nil || len(p.list) == record.MostPrograms || slices.ContainsFunc(p.list, func(o *program) bool { return o.path == one.path }) {
			return
		}
		p.list = append(p.list, one)
		next := p.find(p.interpreter(one.path))
		if next != nil {
			one.interpreter = next.path
		}
		one = next
	}
}

// longestFirst is how much of its first line the kernel reads of a script.
const longestFirst = 255

// interpreter returns the name of the program that a script names in its first line; "" for none.
func (p *programs) interpreter(path string) string {
	b, err := software.Beginning(path, 2*longestFirst)
	if err != nil {
		return ""
	}
	return interpreterIn(string(b))
}

func interpreterIn(text string) string {
	line, rest, whole := strings.Cut(text, "\n")
	line, isScript := strings.CutPrefix(line, "#!")
	if !isScript || !whole || len(line) > longestFirst {
		return "" // what the kernel has cut off is not run
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return ""
	}
	// pip writes a line for sh where the path of Python is too long, or has a blank.
	if second, ok := strings.CutPrefix(rest, "'''exec' "); ok && filepath.Base(words[0]) == "sh" {
		second = strings.TrimPrefix(second, `"`)
		end := strings.IndexAny(second, "\"\n")
		if !strings.HasPrefix(rest, `'''exec' "`) {
			end = strings.IndexAny(second, " \n")
		}
		if end > 0 && filepath.IsAbs(second[:end]) {
			return second[:end]
		}
	}
	if filepath.Base(words[0]) == "env" {
		words = wrapped(words)
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// ofShell are words that shells do not look for in PATH.
const ofShell = ` . : [ alias bg bind break builtin caller cd command compgen complete continue declare dirs disown echo enable eval exec exit
	export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly return
	set shift shopt source suspend test time times trap true type typeset ulimit umask unalias unset wait `

// addCall adds the program of a simple command, and those that it runs in its place. line says that
// a shell has read it.
func (p *programs) addCall(c call, line bool) {
	for i := 0; len(c.words) > 0 && i < mostWrappers; i++ {
		if name := c.words[0]; !line || !strings.Contains(ofShell, " "+name+" ") {
			p.lost = p.lost || c.lost && name != "" && !strings.Contains(name, "/")
			p.add(p.find(c.program()))
		}
		c = c.wrapped()
	}
}

// calls returns the simple commands of a command line for the shell, as far as their words are
// known.
func calls(l *lineWords, file *syntax.File) (list []call) {
	own := map[string]bool{}        // functions
	later := map[syntax.Node]bool{} // what is run when a function is called
	syntax.Walk(file, func(n syntax.Node) bool {
		if f, ok := n.(*syntax.FuncDecl); ok && f.Name != nil {
			own[f.Name.Value] = true
			syntax.Walk(f, func(n syntax.Node) bool { later[n] = true; return true })
		}
		return true
	})
	syntax.Walk(file, func(n syntax.Node) bool {
		simple, ok := n.(*syntax.CallExpr)
		if !ok || len(simple.Args) == 0 || len(list) == 4*record.MostPrograms {
			return true
		}
		words := l.words(simple)
		if words[0] == "" || own[words[0]] || l.moves && !filepath.IsAbs(words[0]) && strings.Contains(words[0], "/") {
			return true
		}
		lost := l.set["PATH"] || l.pathFrom != nil && (later[n] || simple.Pos().Offset() >= *l.pathFrom)
		list = append(list, call{words: words, moved: l.moves, lost: lost})
		return true
	})
	return list
}

// recorded returns the program as it is in a record.
func (p *program) recorded(h *hashing) record.Program {
	hash := h.of(p.path, p.state)
	r := record.Program{Path: valid(p.path), Size: p.state.size, SHA256: hash.sha256, Partial: hash.partial, Interpreter: valid(p.interpreter)}
	if p.real != p.path {
		r.Real = valid(p.real)
	}
	return r
}
