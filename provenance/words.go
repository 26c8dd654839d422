package provenance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"qme/internal/openfile"
	"qme/internal/shellline"
	"qme/record"
)

// opened returns the files that the caller has opened for the command.
func opened(c Command) (list []mention) {
	for i, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f == nil {
			continue
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		path := openfile.Path(int(f.Fd()))
		if path == "" {
			continue
		}
		m := mention{path: path, by: record.ByStdio, to: i > 0}
		if m.to {
			m.offset = offsetOf(f, info)
		}
		list = append(list, m)
	}
	return list
}

// offsetOf returns where the next byte goes that is written to a file.
func offsetOf(f *os.File, info os.FileInfo) int64 {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_APPEND != 0 {
		return info.Size()
	}
	at, err := unix.Seek(int(f.Fd()), 0, 1) // where it is
	if err != nil {
		return 0
	}
	return min(at, info.Size())
}

// named returns what the words of a command may name, and how many words were left out because
// they come to too much.
func named(c Command, deadline time.Time) (list []mention, leftOut int) {
	if len(c.Argv) == 0 {
		return nil, 0
	}
	if line, args, ok := commandLine(c.Argv); ok {
		list, leftOut = inLine(line, c, deadline)
		return append(list, call{}.ofWords(args)...), leftOut
	}
	return call{words: c.Argv}.names(c.isFolder), 0
}

// isFolder reports whether a name is that of a folder.
func (c Command) isFolder(name string) bool {
	if !filepath.IsAbs(name) {
		name = filepath.Join(c.Dir, name)
	}
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// commandLine returns the line that a command has a shell run, and the arguments that the line gets.
func commandLine(argv []string) (line string, args []string, ok bool) {
	if !shellline.IsShell(argv[0]) {
		return "", nil, false
	}
	return shellline.Command(argv[1:])
}

// longestLine is the longest command line that is read, and longestValue the longest value of a
// variable with its name: no path is longer.
const (
	longestLine  = 8 << 10
	longestValue = 4 << 10
)

// inLine returns what a shell's command line names. It is not run: a word whose value only the
// shell knows, as one with a variable that the line sets, names nothing.
func inLine(line string, c Command, deadline time.Time) (list []mention, leftOut int) {
	l, file := parseLine(line, c, deadline)
	if l == nil {
		return nil, 0
	}
	syntax.Walk(file, l.collect)
	if l.moves { // to where relative names are others
		l.list = slices.DeleteFunc(l.list, func(m mention) bool { return !filepath.IsAbs(m.path) })
	}
	return l.list, l.leftOut
}

// parseLine reads a command line; l is nil if it cannot be read.
func parseLine(line string, c Command, deadline time.Time) (l *lineWords, file *syntax.File) {
	if len(line) > longestLine {
		return nil, nil
	}
	file, err := shellline.Parse(line)
	if err != nil {
		return nil, nil
	}
	l = &lineWords{isFolder: c.isFolder, set: map[string]bool{}, braces: expandsBraces(c), deadline: deadline}
	l.config = &expand.Config{Env: expand.ListEnviron(append(slices.DeleteFunc(slices.Clone(c.Env), func(kv string) bool { return len(kv) > longestValue }), "PWD="+c.Dir)...), ReadDir2: l.readDir, NoUnset: true}
	syntax.Walk(file, l.prepare)
	return l, file
}

// expandsBraces reports whether the shell that a command calls expands braces, which sh does only
// where it is another one by its real path.
func expandsBraces(c Command) bool {
	shell := c.Argv[0]
	if one := newPrograms(c).find(shell); one != nil {
		shell = one.real
	}
	return slices.Contains([]string{"bash", "ksh", "zsh"}, strings.TrimRight(filepath.Base(shell), "0123456789.-"))
}

// A lineWords collects what the words and redirections of a command line name.
type lineWords struct {
	config *expand.Config
	set    map[string]bool // variables that the line sets
	moves  bool            // the line changes the directory
	braces bool            // the shell expands braces
	list   []mention

	// pathFrom is where commands end after which names without a slash are not those of PATH, or may
	// not be; nil for nowhere.
	pathFrom *uint
	isFolder func(path string) bool

	deadline         time.Time
	folders, entries int // that were read for patterns
	over             bool
	leftOut          int // words that come to too much
}

// What is read at most of folders for the patterns of a line: a shell reads it as well, but only
// when it comes to it.
const (
	mostFolders = 200
	mostEntries = 20_000
)

// errOver ends the expansion of a word that comes to too much.
var errOver = errors.New("a pattern comes to too much")

// readDir reads a folder for a pattern, within bounds.
func (l *lineWords) readDir(dir string) ([]fs.DirEntry, error) {
	left := mostEntries - l.entries
	if l.folders++; l.folders > mostFolders || left <= 0 || time.Now().After(l.deadline) {
		l.over = true
		return nil, errOver
	}
	list, err := readFolder(dir, left)
	l.entries += len(list)
	l.over = l.over || len(list) == left
	return list, err
}

// moving are commands after which relative names are others, or may be.
var moving = []string{"cd", "pushd", "popd", "chroot", "eval", "source", "."}

// before are words that stand before a command.
var before = []string{"command", "builtin", "exec", "time", "nice", "nohup", "--", "-p"}

// activating are commands after which PATH is another one, or may be.
var activating = []string{".", "source", "eval", "module", "ml", "workon", "deactivate", "nvm", "use"}

// activates reports whether PATH may be another one after a command.
func activates(words []string) bool {
	switch words[0] {
	case "conda", "mamba", "micromamba", "spack":
		return len(words) > 1 && slices.Contains([]string{"", "activate", "deactivate", "load", "unload", "env"}, words[1])
	}
	return slices.Contains(activating, words[0])
}

// setting are commands that set the variables that they name.
var setting = []string{"read", "getopts", "mapfile", "readarray", "printf", "let", "unset"}

// prepare finds out which variables a line sets, and whether it changes the directory.
func (l *lineWords) prepare(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Assign:
		if n.Name != nil {
			l.set[n.Name.Value] = true
		}
	case *syntax.WordIter:
		l.set[n.Name.Value] = true
	case *syntax.BinaryArithm:
		l.setIn(n.X)
	case *syntax.UnaryArithm:
		l.setIn(n.X)
	case *syntax.CallExpr:
		l.prepareCall(n)
	}
	return true
}

// setIn notes a variable that arithmetic may set.
func (l *lineWords) setIn(x syntax.ArithmExpr) {
	if w, ok := x.(*syntax.Word); ok {
		l.set[w.Lit()] = true
	}
}

func (l *lineWords) prepareCall(n *syntax.CallExpr) {
	words := make([]string, len(n.Args))
	for i, w := range n.Args {
		words[i] = unquoted(w)
	}
	for len(words) > 0 && slices.Contains(before, words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	name := words[0]
	if end := n.End().Offset(); activates(words) && (l.pathFrom == nil || end < *l.pathFrom) {
		l.pathFrom = &end
	}
	l.moves = l.moves || slices.Contains(moving, name)
	if slices.Contains(setting, name) {
		for _, w := range words[1:] {
			l.set[w] = true
		}
	}
	if slices.Contains([]string{"set", "setopt", "emulate"}, name) && slices.ContainsFunc(words[1:], func(w string) bool { return strings.ContainsAny(w, "Bb") || name == "emulate" }) {
		l.braces = false // as after set +B
	}
	if name == "set" || name == "shopt" {
		l.config.ReadDir2 = nil // patterns may be text
	}
}

// unquoted returns the literal parts of a word, without quotation marks.
func unquoted(w *syntax.Word) string {
	var b strings.Builder
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Lit:
			b.WriteString(strings.ReplaceAll(n.Value, `\\`, ""))
		case *syntax.SglQuoted:
			b.WriteString(n.Value)
		}
		return true
	})
	return b.String()
}

func (l *lineWords) collect(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.CallExpr:
		if words := l.words(n); len(words) > 0 {
			l.list = append(l.list, call{words: words}.names(l.isFolder)...)
		}
	case *syntax.WordIter:
		for _, w := range n.Items {
			l.list = append(l.list, call{}.ofWords(l.values(w))...)
		}
	case *syntax.Redirect:
		l.redirect(n)
	}
	return true
}

// words returns the words of a simple command, "" for each that cannot be told.
func (l *lineWords) words(n *syntax.CallExpr) (words []string) {
	for _, w := range n.Args {
		values := l.values(w)
		if len(values) == 0 {
			values = []string{""}
		}
		words = append(words, values...)
	}
	return words
}

func (l *lineWords) redirect(r *syntax.Redirect) {
	to := false
	switch r.Op {
	case syntax.RdrIn, syntax.RdrInOut:
	case syntax.RdrOut, syntax.RdrClob, syntax.AppOut, syntax.AppClob, syntax.RdrAll, syntax.RdrAllClob, syntax.AppAll, syntax.AppAllClob:
		to = true
	default:
		return
	}
	values := l.values(r.Word)
	if len(values) != 1 {
		return
	}
	appends := slices.Contains([]syntax.RedirOperator{syntax.AppOut, syntax.AppAll, syntax.AppClob, syntax.AppAllClob}, r.Op)
	l.list = append(l.list, mention{path: values[0], by: record.ByRedirect, to: to, appends: appends})
}

// mostBraces is how many braces are expanded in one word.
const mostBraces = 20

// plain reports whether a parameter is only replaced by its value: what else can be written comes to
// any length.
func plain(n *syntax.ParamExp) bool {
	return n.Param != nil && !n.Excl && !n.Length && !n.Width && !n.IsSet && n.NestedParam == nil && n.Index == nil &&
		len(n.Modifiers) == 0 && n.Slice == nil && n.Repl == nil && n.Names == 0 && n.Exp == nil
}

// withoutBraces returns a word for a shell to which braces are text.
func withoutBraces(w *syntax.Word) *syntax.Word {
	parts := slices.Clone(w.Parts)
	for i, part := range parts {
		if lit, ok := part.(*syntax.Lit); ok {
			text := *lit
			text.Value = escapeBraces(text.Value)
			parts[i] = &text
		}
	}
	return &syntax.Word{Parts: parts}
}

// escapeBraces puts a backslash before each brace that has none.
func escapeBraces(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			b.WriteByte(text[i])
			i++
		case text[i] == '{':
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// values returns what a word is for the shell, nothing where that cannot be told.
func (l *lineWords) values(w *syntax.Word) []string {
	if !l.braces {
		w = withoutBraces(w)
	}
	known := true
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst, *syntax.ArithmExp, *syntax.ExtGlob:
			known = false
		case *syntax.ParamExp:
			known = known && plain(n) && !l.set[n.Param.Value]
		case *syntax.Lit:
			known = known && (!l.set["HOME"] || !strings.HasPrefix(n.Value, "~")) && strings.Count(n.Value, "{") <= mostBraces
		}
		return known
	})
	if !known {
		return nil
	}
	var values []string
	l.over = false
	for value, err := range expand.FieldsSeq(l.config, w) {
		if err != nil && !l.over { // such as a variable that is not set
			return nil
		}
		if l.over = l.over || len(values) == mostNamed || time.Now().After(l.deadline); l.over {
			l.leftOut++
			return nil
		}
		values = append(values, value)
	}
	return values
}
