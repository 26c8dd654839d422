package tasks

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"qme/executor"
	"qme/gitstore/worktree"
	"qme/internal/intime"
	"qme/internal/safe"
	"qme/provenance"
	"qme/record"
	"qme/tasks/waiting"
)

const (
	// addedWait is how long is waited at most for the hashes of the files that the command of a task
	// names, and for those of its programs, when it is added.
	addedWait = 100 * time.Millisecond
	// mostAddedFiles is up to how many files of a repository that differ from its commit are noted then.
	// Of more it is not known at the start whether they have changed.
	mostAddedFiles = 1000
	// longestChange bounds the texts of a change, in bytes.
	longestChange = 1000
)

// lookAtCode puts into the record and the entry of a task that is added what its code is now: the files
// that the command names, its programs, and its repositories. finding is that of the directory's.
func (q *Service) lookAtCode(rec *record.Record, e *waiting.Entry, finding worktree.Finding) {
	dir, argv := string(e.Dir), allStrings(e.Cmd)
	programs := make(chan []record.Program, 1)
	go func() { programs <- q.programsNow(dir, argv) }()
	files := q.watchFiles(dir, argv, RunOptions{Declared: provenance.Declared{In: allStrings(e.In), Out: allStrings(e.Out)}, Trace: e.Trace, Metrics: q.metricsIn(e)})
	rec.Data.Files, _, _ = files.NamedHashed(time.Now().Add(addedWait)).Short()
	e.Code = nil
	e.Note(q.looked.difference(record.PartPatch, dir, func() *waiting.Code { return q.differenceNow(record.PartPatch, rec.Data.Git, finding, dir) }))
	of, _ := q.executor(rec.Executor).(executor.Scripted)
	type found struct {
		git     *record.Git
		finding worktree.Finding
	}
	other, _ := intime.Within(codeTime, func() (f found) { f.git, f.finding = q.codeOf(of, dir, argv); return f })
	if rec.Data.Code = other.git; other.git != nil {
		in := filepath.Dir(other.git.Path)
		e.Note(q.looked.difference(record.PartCodePatch, in, func() *waiting.Code { return q.differenceNow(record.PartCodePatch, other.git, other.finding, in) }))
	}
	if rec.Data.Software = nil; q.Settings.Software {
		if list := <-programs; len(list) > 0 {
			rec.Data.Software = &record.Software{Programs: list}
		}
	}
}

func (q *Service) programsNow(dir string, argv []string) []record.Program {
	if !q.Settings.Software || len(argv) == 0 {
		return nil
	}
	return provenance.Programs(provenance.Command{Dir: dir, Argv: argv, Env: os.Environ()}, q.Settings.Hashes, time.Now().Add(addedWait))
}

// differenceNow returns the state of a repository, nil if it is not known. git says nothing of a patch then,
// which only a run has.
func (q *Service) differenceNow(part record.PartName, git *record.Git, finding worktree.Finding, dir string) *waiting.Code {
	if git == nil {
		return nil
	}
	if git.Dirty == nil {
		if q.looked != nil && q.looked.submits { // git finds out meanwhile, as beside the command of a run
			q.looked.took(part, dir, q.takePatch(part, git, finding, dir)())
		}
		return nil
	}
	if !*git.Dirty {
		return &waiting.Code{Part: part, Files: map[string]string{}}
	}
	taken := q.takePatch(part, git, finding, dir)()
	q.looked.took(part, dir, taken)
	git.PatchError = ""
	return codeIn(taken, git)
}

// codeIn returns the state of a repository of which git was found and the difference was taken.
func codeIn(t *takenPatch, git *record.Git) *waiting.Code {
	if git == nil || git.Dirty == nil {
		return nil
	}
	c := &waiting.Code{Files: map[string]string{}}
	if !*git.Dirty {
		return c
	}
	if t == nil || t.err != nil || t.patch == nil {
		return nil
	}
	c.Part = t.name
	for name, section := range sections(t.patch.Diff) {
		c.Files[valid(name)] = record.NewPart(section).SHA256
	}
	if len(c.Files) > mostAddedFiles {
		return nil
	}
	return c
}

// compare says in the record of a run that has ended what of its code was another at the start than when
// the task was added. Both records have it as it was before the command could change it.
func (t *try) compare(r *run) {
	if t == nil {
		return
	}
	c := t.changes(r)
	c.files(t.waits.Data.Files, r.whole)
	c.programs(t.waits.Data.Software, r.rec.Data.Software)
	slices.SortStableFunc(c.list, func(a, b record.QueueChange) int {
		return cmp.Compare(slices.Index(Kinds, Kind(a.Kind)), slices.Index(Kinds, Kind(b.Kind)))
	})
	r.rec.Data.Queue.Changed = c.list
}

// codeChanges are the changes of the code of a task between two moments.
type codeChanges struct {
	dir     string
	scripts []string // paths of the scripts of the command
	named   []string // paths of all files that are compared by themselves
	list    []record.QueueChange
}

// changes returns what has changed of the repositories.
func (t *try) changes(r *run) *codeChanges {
	command := provenance.Command{Dir: r.dir, Argv: allStrings(t.entry.Cmd), Env: os.Environ()}
	c := &codeChanges{dir: r.dir, scripts: slices.Concat(provenance.ScriptNames(command), provenance.Scripts(command))}
	if of, ok := r.q.executor(r.rec.Executor).(executor.Scripted); ok {
		c.scripts = append(c.scripts, of.Script(command.Argv, r.dir).Path)
	}
	c.named = slices.Clone(c.scripts)
	if files := t.waits.Data.Files; files != nil {
		for _, f := range slices.Concat(files.In, files.Out) {
			c.named = append(c.named, c.path(f.Path))
		}
	}
	was, now := t.waits.Data, r.rec.Data
	c.code(t.entry.Noted(record.PartPatch), codeIn(r.patch, now.Git), was.Git, now.Git, r.dir)
	if now.Code != nil && was.Code != nil && r.code != nil {
		c.code(t.entry.Noted(record.PartCodePatch), codeIn(r.code.patch, now.Code), was.Code, now.Code, filepath.Dir(now.Code.Path))
	}
	return c
}

// path returns the path of a file as a record names it.
func (c *codeChanges) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

func (c *codeChanges) add(kind Kind, name, from, to string) {
	one := record.QueueChange{Kind: string(kind), Name: safe.Shorten(valid(name), longestChange), From: safe.Shorten(from, longestChange), To: safe.Shorten(to, longestChange)}
	same := func(o record.QueueChange) bool { return o.Kind == one.Kind && o.Name == one.Name }
	if len(c.list) < record.MostQueueChanges && !slices.ContainsFunc(c.list, same) {
		c.list = append(c.list, one)
	}
}

// code compares a repository that contains dir.
func (c *codeChanges) code(from, to *waiting.Code, was, now *record.Git, dir string) {
	root := dir
	if found := worktree.Find(dir); found != nil {
		root = found.Root
	}
	switch {
	case was == nil || now == nil || was.Commit != now.Commit:
		if was != nil || now != nil {
			c.add(KindCode, root, stateText(was), stateText(now))
		}
		return
	case from == nil || to == nil:
		return // it is not known
	}
	var names []string
	for name, sum := range from.Files {
		if to.Files[name] != sum {
			names = append(names, name)
		}
	}
	for name := range to.Files {
		if _, there := from.Files[name]; !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if path := filepath.Join(root, name); !slices.Contains(c.named, path) {
			c.add(KindCode, path, "", "")
		}
	}
}

// stateText is commitText, "" for no repository.
func stateText(git *record.Git) string {
	if git == nil {
		return ""
	}
	return commitText(git)
}

// files compares those of the files that a command names that are its scripts.
func (c *codeChanges) files(was, now *record.Files) {
	if was == nil || now == nil || now.LeftOut > 0 {
		return
	}
	from, to := c.scriptsIn(was), c.scriptsIn(now)
	for _, path := range namesIn(from, to) {
		a, isA := from[path]
		b, isB := to[path]
		if isA && isB && maybeSame(a.Size, b.Size, a.SHA256, b.SHA256, a.Partial != b.Partial) {
			continue
		}
		c.add(KindScript, path, textIfThere(a.Size, a.SHA256, isA), textIfThere(b.Size, b.SHA256, isB))
	}
}

// maybeSame reports whether two contents of a file are the same, or that is not known. otherwise says that their hashes were
// taken otherwise, and so tell nothing.
func maybeSame(sizeA, sizeB int64, hashA, hashB string, otherwise bool) bool {
	return sizeA == sizeB && (hashA == hashB || hashA == "" || hashB == "" || otherwise)
}

func (c *codeChanges) scriptsIn(files *record.Files) map[string]record.File {
	found := map[string]record.File{}
	for _, f := range files.In {
		if path := c.path(f.Path); slices.Contains(c.scripts, path) {
			found[path] = f
		}
	}
	return found
}

// textIfThere describes the content of a file, "" for one that is not there.
func textIfThere(size int64, sha256 string, there bool) string {
	if !there {
		return ""
	}
	return contentText(size, sha256)
}

// programs compares programs, of which those that are not installed count as scripts.
func (c *codeChanges) programs(was, now *record.Software) {
	if was == nil || now == nil || len(now.NotRecorded) > 0 {
		return
	}
	from, to := map[string]record.Program{}, map[string]record.Program{}
	for _, p := range was.Programs {
		from[p.Path] = p
	}
	for _, p := range now.Programs {
		to[p.Path] = p
	}
	for path, a := range from {
		b, there := to[path]
		if there && maybeSame(a.Size, b.Size, a.SHA256, b.SHA256, a.Partial != b.Partial) {
			continue
		}
		kind := KindProgram
		if slices.Contains(c.scripts, path) && !provenance.Installed(path, nil) {
			kind = KindScript
		}
		c.add(kind, path, contentText(a.Size, a.SHA256), textIfThere(b.Size, b.SHA256, there))
	}
}
