package tasks

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/executor"
	"qme/internal/mask"
	"qme/provenance"
	"qme/record"
)

// A Kind is a kind of what a run was made from, or with.
type Kind string

// The kinds of what a run was made from, or with, in the order in which they are told.
const (
	KindInputs      Kind = "inputs"      // files and standard input
	KindScript      Kind = "script"      // the script of an interpreter or of a job, and programs of one's own
	KindProgram     Kind = "program"     // installed programs
	KindSoftware    Kind = "software"    // packages, environments, modules and containers
	KindEnvironment Kind = "environment" // recorded variables
	KindCode        Kind = "code"        // other files of git repositories
	KindHost        Kind = "host"        // the machine and the user
)

// Kinds are all kinds, in their order.
var Kinds = []Kind{KindInputs, KindScript, KindProgram, KindSoftware, KindEnvironment, KindCode, KindHost}

// The values of Since.State.
const (
	SinceChanged = "changed"
	SinceMissing = "missing" // a file is not there any more
	SinceNew     = "new"     // a file is there now that a declared pattern matches
	SinceUnknown = "unknown" // whether it differs is not known
)

// A Since is one thing that is not now as a run had it, or of which that is not known.
type Since struct {
	Kind  Kind   `json:"kind"`
	Name  string `json:"name"` // of the file as the record has it, the variable, the package ...
	State string `json:"state"`
	From  string `json:"from"` // what the run had, for display; "" for nothing, or NotRecorded
	To    string `json:"to"`   // what there is now
	// FromFile and ToFile are the same of a file, as far as they are known; nil for what is none.
	FromFile *SinceFile `json:"from_file,omitempty"`
	ToFile   *SinceFile `json:"to_file,omitempty"`
	// Why says why the state is SinceUnknown, or more of another one; usually empty.
	Why string `json:"why,omitempty"`
	// Files are, for a state of code, the files of its repository that differ, but for those that have
	// an entry of their own, relative to the top; at most MostSinceFiles.
	Files []string `json:"files,omitempty"`
	// Own says that the file is as the run itself has left it, which has changed its own input.
	Own bool `json:"own,omitempty"`

	// Remade says of an input that the run has made the file itself, and need not have read what was there
	// before: nothing but a word of the command line names it.
	Remade bool `json:"-"`

	// Path is the absolute path of a file, "" for what is none.
	Path string `json:"-"`
	// Now tells what there is now from all else, with SinceOptions.Hash: the hash of a file, or of how
	// code differs, or what is in To.
	Now string `json:"-"`
}

// A SinceFile is the content of a file.
type SinceFile struct {
	Size int64 `json:"size"` // bytes
	// SHA256 is the hash, of the first and the last MiB if the run has recorded that; "" if it is not known,
	// as where the size tells that the file has changed.
	SHA256 string `json:"sha256,omitempty"`
}

// MostSinceFiles bounds Since.Files.
const MostSinceFiles = 20

// SinceOptions are the options of Since.
type SinceOptions struct {
	Kinds []Kind // what is looked at; nil: all
	// Agreed says that the user has agreed to run the command although it was not given here, so that
	// files may be looked at that the record names.
	Agreed bool
	// Hash has all that Since.Now needs read, also where the size of a file tells that it has changed.
	Hash bool
}

// sinceTime is how long files are read at most. What large files are hashed in is bounded when they are
// recorded.
const sinceTime = time.Minute

// Since returns what is different now from what a run had, by kind, without running anything: what a
// rerun would have in its environment and find in its directory. Nothing is written but caches. The
// error is a ForeignError if the command was not given in this home, and the user has not agreed.
func (q *Service) Since(ctx context.Context, v Version, o SinceOptions) ([]Since, error) {
	if !o.Agreed {
		own, err := q.Own(v.Record)
		if err != nil {
			return nil, err
		}
		if !own {
			return nil, Foreign(v.Record)
		}
	}
	s := &since{q: q, v: v, rec: v.Record, o: o}
	var err error
	if s.files, err = v.Files(); err != nil {
		return nil, err
	}
	if err := s.find(ctx); err != nil {
		return nil, err
	}
	slices.SortStableFunc(s.found, func(a, b Since) int { return cmp.Compare(slices.Index(Kinds, a.Kind), slices.Index(Kinds, b.Kind)) })
	return s.found, nil
}

// A since looks for what is different now from what a run had.
type since struct {
	q     *Service
	v     Version
	rec   *record.Record
	o     SinceOptions
	files *record.Files // nil if they were not recorded
	found []Since
}

func (s *since) asks(kinds ...Kind) bool {
	return s.o.Kinds == nil || slices.ContainsFunc(kinds, func(k Kind) bool { return slices.Contains(s.o.Kinds, k) })
}

func (s *since) add(one Since) {
	if s.asks(one.Kind) {
		s.found = append(s.found, one)
	}
}

func (s *since) unknown(kind Kind, name, why string) {
	s.add(Since{Kind: kind, Name: name, State: SinceUnknown, Why: why})
}

func (s *since) find(ctx context.Context) error {
	if s.asks(KindInputs, KindScript) {
		s.inputs(ctx)
		s.stdin()
		s.jobScript()
		s.newFiles(ctx)
		s.committed(ctx)
	}
	if s.asks(KindProgram, KindSoftware, KindEnvironment, KindCode, KindHost) {
		return s.surroundings(ctx)
	}
	return nil
}

// path returns the path that a file of the record has here. ok is false if it is not recorded exactly.
func (s *since) path(name string) (path string, ok bool) {
	path = name
	if !filepath.IsAbs(name) {
		path = filepath.Join(s.rec.Data.PWD, name)
	}
	if !filepath.IsAbs(path) || strings.ContainsAny(path, "\x00\uFFFD") {
		return path, false
	}
	return path, !slices.ContainsFunc(mask.Markers(path), func(m mask.Marker) bool { return s.rec.Data.Masked[m.Name] > 0 })
}

// command returns the command of the record as it would be run now.
func (s *since) command() provenance.Command {
	return provenance.Command{Dir: s.rec.Data.PWD, Argv: s.rec.Data.Cmd, Env: os.Environ()}
}

// scripts returns the paths of the scripts of the command, and of programs of one's own.
func (s *since) scripts() []string {
	list := slices.Concat(provenance.ScriptNames(s.command()), provenance.Scripts(s.command()))
	var folders []string
	if software := s.rec.Data.Software; software != nil {
		for _, e := range software.Environments {
			folders = append(folders, e.Path)
		}
		for _, p := range software.Programs {
			list = append(list, p.Path, p.Real)
		}
	}
	return slices.DeleteFunc(list, func(path string) bool { return path == "" || provenance.Installed(path, folders) })
}

// kindOf returns the kind of a file that a run lists as an input, which may be a program of the run.
func (s *since) kindOf(path string, scripts []string) Kind {
	if slices.Contains(scripts, path) {
		return KindScript
	}
	if software := s.rec.Data.Software; software != nil && slices.ContainsFunc(software.Programs, func(p record.Program) bool { return p.Path == path || p.Real == path }) {
		return KindProgram
	}
	return KindInputs
}

// A sinceFile is a file of the record that is looked at again.
type sinceFile struct {
	provenance.Recorded
	kind   Kind
	name   string
	own    *record.File // as the run has left it; nil if it has not changed it
	remade bool         // see Since.Remade
}

// inputs looks at the files that were there when the run began, and at its scripts and programs.
func (s *since) inputs(ctx context.Context) {
	list := s.recorded()
	files := make([]provenance.Recorded, len(list))
	for i, f := range list {
		files[i] = f.Recorded
	}
	for i, now := range provenance.Again(ctx, files, s.q.Settings.Hashes, s.o.Hash, sinceTime) {
		s.tell(ctx, list[i], now)
	}
	switch {
	case s.files == nil:
		s.unknown(KindInputs, "", "no files of the run were recorded")
	case s.files.LeftOut > 0:
		s.unknown(KindInputs, "", fmt.Sprintf("not all files of the run are listed (%d are not)", s.files.LeftOut))
	}
}

// recorded returns the files to look at.
func (s *since) recorded() (list []sinceFile) {
	scripts := s.scripts()
	known := map[string]bool{}
	add := func(f sinceFile) {
		if known[f.Path] || !s.asks(f.kind) {
			return
		}
		known[f.Path] = true
		list = append(list, f)
	}
	if s.files != nil {
		_, outs := filesByPath(s.files)
		for _, f := range s.files.In {
			path, ok := s.path(f.Path)
			kind := s.kindOf(path, scripts)
			if !ok {
				s.unknown(kind, f.Path, "its name was not recorded exactly")
				continue
			}
			var own *record.File
			if out, is := outs[f.Path]; is {
				own = &out
			}
			again := provenance.Recorded{Path: path, Size: f.Size, SHA256: f.SHA256, Partial: f.Partial, At: s.rec.Data.Timestamp.Time}
			add(sinceFile{again, kind, f.Path, own, kind == KindInputs && own != nil && NamedOnly(f)})
		}
	}
	if software := s.rec.Data.Software; software != nil {
		for _, p := range software.Programs {
			if path, ok := s.path(p.Path); ok && filepath.IsAbs(p.Path) && slices.Contains(scripts, p.Path) {
				again := provenance.Recorded{Path: path, Size: p.Size, SHA256: p.SHA256, Partial: p.Partial, At: s.rec.Data.Timestamp.Time}
				add(sinceFile{Recorded: again, kind: KindScript, name: p.Path})
			}
		}
	}
	return list
}

// tell adds what is different of a file.
func (s *since) tell(ctx context.Context, f sinceFile, now provenance.Now) {
	one := Since{Kind: f.kind, Name: f.name, Path: f.Path, Now: now.SHA256, Why: now.Why, From: contentText(f.Size, f.SHA256), FromFile: &SinceFile{f.Size, f.SHA256}, Remade: f.remade}
	switch now.Condition {
	case provenance.Same:
		return
	case provenance.Missing:
		one.State = SinceMissing
	case provenance.Changed:
		one.State, one.To, one.ToFile = SinceChanged, contentText(now.Size, now.SHA256), &SinceFile{now.Size, now.SHA256}
	default:
		one.State = SinceUnknown
	}
	if f.own != nil && now.Condition != provenance.Missing {
		left := provenance.Recorded{Path: f.Path, Size: f.own.Size, SHA256: f.own.SHA256, Partial: f.own.Partial, At: endOf(s.rec)}
		again := provenance.Again(ctx, []provenance.Recorded{left}, s.q.Settings.Hashes, false, sinceTime)
		one.Own = again[0].Condition == provenance.Same
	}
	s.add(one)
}

// endOf returns when a run has ended, the zero time if that is not known.
func endOf(r *record.Record) time.Time {
	if end := r.Data.Finished; end != nil {
		return end.Time
	}
	return time.Time{}
}

// stdin says of a standard input that is no file that it cannot be looked at. A socket, and a pipe that was
// left alone, are no reason: most commands read nothing there, and nothing is recorded of it.
func (s *since) stdin() {
	in := s.rec.Data.Stdin
	switch {
	case in == nil || in.Kind == record.StdinPart:
	case in.Kind == "file" && in.Path != "" && s.files != nil && slices.ContainsFunc(s.files.In, func(f record.File) bool { return f.By == record.ByStdio }):
	case in.Kind == "file":
		s.unknown(KindInputs, "stdin", "the file that was standard input is not listed")
	case in.Kind == "pipe" && in.Size > 0:
		if _, kept := s.rec.Data.Parts[record.PartStdin]; !kept {
			s.unknown(KindInputs, "stdin", "it came through a pipe")
		}
	}
}

// jobScript looks at the script of a batch job, if it was a file.
func (s *since) jobScript() {
	of, ok := s.q.executor(s.rec.Executor).(executor.Scripted)
	if !ok {
		return
	}
	path := of.Script(s.rec.Data.Cmd, s.rec.Data.PWD).Path
	if path == "" || slices.ContainsFunc(s.found, func(one Since) bool { return one.Path == path }) {
		return
	}
	if s.files != nil && slices.ContainsFunc(s.files.In, func(f record.File) bool { p, _ := s.path(f.Path); return p == path && f.SHA256 != "" }) {
		return // its hash tells
	}
	part, known := s.rec.Data.Parts[record.PartScript]
	one := Since{Kind: KindScript, Name: path, Path: path, State: SinceChanged, From: contentText(part.Size, part.SHA256)}
	switch _, err := os.Stat(path); {
	case !known || len(s.rec.Data.Masked) > 0:
		one.State, one.From, one.Why = SinceUnknown, NotRecorded, "the script of the job was not recorded as it was"
	case os.IsNotExist(err):
		one.State = SinceMissing
	case s.q.ScriptChanged(s.rec) == "":
		return
	}
	s.add(one)
}

// newFiles looks for files that match declared patterns and are not among the inputs.
func (s *since) newFiles(ctx context.Context) {
	d := s.rec.Data.Declared
	if d == nil || len(d.In) == 0 || s.files == nil || !s.asks(KindInputs) {
		return
	}
	listed := map[string]bool{}
	for _, f := range slices.Concat(s.files.In, s.files.Out) {
		listed[f.Path] = true
	}
	names, whole := provenance.Matches(s.rec.Data.PWD, d.In)
	var more []provenance.Recorded
	var told []Since
	for _, name := range names {
		if path, ok := s.path(name); !listed[name] && ok {
			more = append(more, provenance.Recorded{Path: path})
			told = append(told, Since{Kind: KindInputs, Name: name, State: SinceNew, Path: path, Why: "a declared pattern matches it"})
		}
	}
	for i, now := range provenance.Again(ctx, more, s.q.Settings.Hashes, s.o.Hash, sinceTime) {
		told[i].To, told[i].Now = contentText(now.Size, now.SHA256), now.SHA256
		s.add(told[i])
	}
	if !whole || d.Cut {
		s.unknown(KindInputs, "", "not all files were looked at that a declared pattern may match")
	}
}
