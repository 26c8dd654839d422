package provenance

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/provenance/trace"
	"qme/record"
)

const (
	// mostTraced limits each list of a traced run, and mostTracedNames the bytes of its paths.
	mostTraced      = 20_000
	mostTracedNames = 1 << 20
	// mostCommitted is up to how many files that are as in a commit are listed one by one.
	mostCommitted = record.MostFiles
)

// Traced is what a trace has seen of a run.
type Traced struct {
	Result trace.Result
	// Err is why nothing was traced; nil if it was.
	Err error
	// Software are folders of which all belongs to software, such as environments.
	Software []string
	// Own is the folder of the home, without links, whose files are those of this program and not of
	// the command, also if that runs this program.
	Own string
	// Committed returns those of some paths, which are sorted, that are as in the commits of their
	// repositories; nil for none. It may be called in another goroutine.
	Committed func(paths []string) []Committed
}

// Committed are files that are as in a commit.
type Committed struct {
	Root, Commit string
	Paths        []string // sorted
}

// Trace gives the files of End that a trace has seen. It is called before End.
func (w *Watch) Trace(t Traced) { w.traced = &t }

// systemFolders hold what belongs to the system and its programs, not to the work of a user.
var systemFolders = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/boot", "/run", "/snap", "/var/lib", "/var/cache",
	"/nix/store", "/gnu/store", "/cvmfs", "/System", "/Library",
}

// installed are the folders next to that of a program in which the rest of its installation is.
var installed = strings.Fields("bin sbin lib lib32 lib64 libexec share etc include ssl shims plugins versions")

// A tracing sorts the files of a trace.
type tracing struct {
	*Traced
	dir      string // of the run, without links
	caches   string
	prefixes []string // the installations of the programs that were executed
	files    []*file  // the data, sorted
	leftOut  int
	foreign  int
	trees    []*tree
}

// A tree are the files below a folder that are summed up.
type tree struct {
	record.Tree
	files []*file
}

// sort tells what belongs to software from the rest.
func (t *tracing) sort() {
	var data []trace.File
	trees := map[string]*tree{}
	t.prefixes = t.installations()
	for _, f := range t.Result.Files {
		if t.Own != "" && strings.HasPrefix(f.Path, t.Own+"/") {
			continue
		}
		root := t.softwareRoot(f)
		switch {
		case f.Foreign:
			data = append(data, f)
		case root == "":
			data = append(data, f)
		default:
			put(trees, record.Tree{Path: root}, f)
		}
	}
	data = t.committed(data, trees)
	names := 0
	for _, f := range data {
		if names += len(f.Path); len(t.files) == mostTraced || names > mostTracedNames {
			t.leftOut++
			continue
		}
		t.files = append(t.files, t.file(f))
	}
	for _, one := range trees {
		t.trees = append(t.trees, one)
	}
	slices.SortFunc(t.trees, func(a, b *tree) int {
		return cmp.Or(cmp.Compare(b.Files, a.Files), strings.Compare(a.Path, b.Path))
	})
	for _, over := range t.trees[min(len(t.trees), record.MostTrees):] {
		t.leftOut += over.Files
	}
	t.trees = t.trees[:min(len(t.trees), record.MostTrees)]
}

func put(trees map[string]*tree, as record.Tree, f trace.File) {
	one := trees[as.Path]
	if one == nil {
		one = &tree{Tree: as}
		trees[as.Path] = one
	}
	one.Files++
	s := cmp.Or(f.Before, f.After)
	if s == nil {
		return
	}
	one.files = append(one.files, &file{path: f.Path, before: stateOfTrace(s)})
}

// softwareRoot returns the folder of software in which a file is that was only read, "" for none.
// Caches are no data, even when they are written.
func (t *tracing) softwareRoot(f trace.File) string {
	below := func(folder string) bool { return folder != "" && strings.HasPrefix(f.Path, folder+"/") }
	// What is in the directory of the run is the user's, wherever that is.
	mine := below(t.dir)
	best := ""
	for _, folder := range t.Software {
		if below(folder) && len(folder) > len(best) && (!mine || len(folder) > len(t.dir)) {
			best = folder
		}
	}
	for _, prefix := range t.prefixes {
		if below(prefix) && len(prefix) > len(best) && !mine {
			first, _, _ := strings.Cut(f.Path[len(prefix)+1:], "/")
			if slices.Contains(installed, first) {
				best = prefix
			}
		}
	}
	switch {
	case best == "" && !mine && below(t.caches):
		return t.caches
	case f.Written:
		return ""
	case best != "" || mine:
		return best
	}
	for _, folder := range systemFolders {
		if below(folder) {
			return folder
		}
	}
	return ""
}

// installations returns the folders in which programs that were executed are installed: those with a
// folder "bin", say, for them. A folder around that of the run, or the user's home, is none.
func (t *tracing) installations() []string {
	home, _ := os.UserHomeDir() // without one, none is left out
	var all []string
	for _, f := range t.Result.Files {
		bin := filepath.Dir(f.Path)
		if !f.Executed || f.Foreign || !slices.Contains(programFolders, filepath.Base(bin)) {
			continue
		}
		prefix := filepath.Dir(bin)
		if prefix == "/" || prefix == home || strings.HasPrefix(t.dir+"/", prefix+"/") || slices.Contains(all, prefix) {
			continue
		}
		all = append(all, prefix)
	}
	return all
}

// committed puts the files that are as in a commit into trees, where there are many, and returns the others.
func (t *tracing) committed(data []trace.File, trees map[string]*tree) []trace.File {
	if t.Committed == nil {
		return data
	}
	var paths []string
	byPath := map[string]trace.File{}
	for _, f := range data {
		if !f.Foreign && !f.Written {
			paths = append(paths, f.Path)
			byPath[f.Path] = f
		}
	}
	for _, repo := range t.Committed(paths) {
		if len(repo.Paths) <= mostCommitted {
			continue
		}
		for _, path := range repo.Paths {
			if f, ok := byPath[path]; ok {
				put(trees, record.Tree{Path: repo.Root, Commit: repo.Commit}, f)
				delete(byPath, path)
			}
		}
	}
	return slices.DeleteFunc(data, func(f trace.File) bool {
		_, left := byPath[f.Path]
		return !f.Foreign && !f.Written && !left
	})
}

// file returns a file of a trace as one of a Watch.
func (t *tracing) file(f trace.File) *file {
	one := &file{
		path: f.Path, name: nameIn(t.dir, f.Path), by: record.ByTrace, to: f.Written && !f.Read, traced: true,
		readBy: valid(f.ReadBy), writtenBy: valid(f.WrittenBy), before: stateOfTrace(f.Before),
	}
	if f.Foreign {
		t.foreign++
		one.foreign, one.name = true, valid(f.Path)
	}
	if f.Written {
		one.after = stateOfTrace(f.After)
		one.came = true
	} else {
		one.after = one.before
	}
	return one
}

func stateOfTrace(s *trace.State) *state {
	if s == nil {
		return nil
	}
	return &state{inode{s.Dev, s.Ino}, s.Size, s.Mtime, s.Ctime, s.Absent}
}

// startTracing sorts what was traced, joins it with the files that are named, and has it hashed.
func (w *Watch) startTracing(end *ending) *tracing {
	t := &tracing{Traced: w.traced, dir: w.dir}
	if real, err := filepath.EvalSymlinks(w.dir); err == nil {
		t.dir = real
	}
	t.caches, _ = os.UserCacheDir() // without a home there is none
	t.sort()
	end.files = t.join(end.files)
	end.leftOut += t.leftOut
	for _, f := range t.files {
		if f.before != nil && !f.to && !f.foreign {
			w.hashing.add(f.path, f.before)
		}
	}
	for _, one := range t.trees {
		for _, f := range one.files {
			w.hashing.add(f.path, f.before)
		}
	}
	return t
}

// untraced says in a list of files that what was traced is not in it, because a file server does not
// respond.
func (w *Watch) untraced(files *record.Files) *record.Files {
	if w.traced == nil {
		return files
	}
	if files == nil {
		files = &record.Files{Incomplete: true}
	}
	files.Trace = &record.Trace{Error: "the files could not be looked at when the command had ended"}
	return files
}

// complete reports whether the trace has lost nothing.
func (t *tracing) complete() bool {
	return t.Err == nil && !t.Result.Losses.Any() && t.leftOut == 0
}

// join returns the files of a run: those that are named, and those that were traced. A file that is
// named only by words, and was not opened in a trace without losses, was not used.
func (t *tracing) join(named []*file) []*file {
	traced := map[inode]*file{}
	byPath := map[string]*file{}
	for _, f := range t.files {
		byPath[f.path] = f
		for _, s := range []*state{f.before, f.after} {
			if s != nil {
				traced[s.inode] = f
			}
		}
	}
	var all []*file
	for _, f := range named {
		var same *file
		if s := cmp.Or(f.after, f.before); s != nil {
			same = traced[s.inode]
		}
		same = cmp.Or(same, byPath[f.path])
		switch {
		case same != nil && f.by != record.ByStdio:
			same.offset = f.offset
		case same != nil: // the caller has opened it as well
			f.readBy, f.writtenBy = same.readBy, same.writtenBy
			f.to = f.to && same.to
			same.dropped = true
			all = append(all, f)
		case f.by == record.ByStdio || f.by == record.ByDeclared || !t.complete():
			all = append(all, f)
		}
	}
	for _, f := range t.files {
		if !f.dropped {
			all = append(all, f)
		}
	}
	return all
}

// tell returns what a record tells of the trace.
func (t *tracing) tell(h *hashing) *record.Trace {
	if t.Err != nil {
		return &record.Trace{Error: bound(t.Err.Error())}
	}
	told := &record.Trace{Temporary: t.Result.Temporary, NotSeen: t.notSeen()}
	for _, one := range t.trees {
		one.SHA256 = one.digest(h)
		one.Path = valid(one.Path)
		told.Software = append(told.Software, one.Tree)
	}
	return told
}

// longestWhy is the longest reason in a record, in bytes.
const longestWhy = 500

func bound(text string) string { return valid(text[:min(len(text), longestWhy)]) }

func (t *tracing) notSeen() []record.Unseen {
	l := t.Result.Losses
	var all []record.Unseen
	for _, u := range []record.Unseen{
		{Why: "calls of processes that could not be read", Count: l.Unreadable},
		{Why: "calls while qme was stopped or slow", Count: l.Kept},
		{Why: "looks at files that came too late, as of a file server that does not respond", Count: l.Late},
		{Why: "uses of files beyond the limit of a trace", Count: l.Full},
		{Why: "io_uring instances, by which files can be opened unseen", Count: l.Rings},
		{Why: "files that were opened by handle", Count: l.Handles},
		{Why: "uses of files in a container, by their names there", Count: l.Foreign},
		{Why: "files that are not listed", Count: t.leftOut},
	} {
		if u.Count > 0 {
			all = append(all, u)
		}
	}
	return all
}

// digest returns the hash of the list of the files with their hashes; "" if one is missing.
func (t *tree) digest(h *hashing) string {
	slices.SortFunc(t.files, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	sum := sha256.New()
	for _, f := range t.files {
		hash := h.of(f.path, f.before)
		switch {
		case hash.sha256 == "" && secret(f.path):
			hash.sha256 = "-"
		case hash.sha256 == "" || hash.partial:
			return ""
		}
		rel := strings.TrimPrefix(f.path, t.Path+"/")
		if _, err := io.WriteString(sum, fmt.Sprintf("%s  %s\n", hash.sha256, rel)); err != nil {
			return ""
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
