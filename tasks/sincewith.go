package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/internal/intime"
	"qme/provenance"
	"qme/provenance/patch"
	"qme/record"
)

// surroundings compares with what the run was made: programs, packages, variables, code and machine.
func (s *since) surroundings(ctx context.Context) error {
	now := s.rec.Next()
	s.q.fill(now, s.rec.Data.PWD)
	m := s.q.masking()
	var env []byte
	if s.asks(KindProgram, KindSoftware) {
		now.Data.Software, env = s.q.softwareNow(ctx, s.rec, m)
	}
	m.begin(now, s.rec.Data.Cmd)
	m.software(now.Data.Software)
	s.software(now, m.part(record.PartEnv, env))
	for _, f := range changedIn("", s.rec.Data.Env, now.Data.Env) {
		s.change(KindEnvironment, f)
	}
	for name, value := range s.rec.Data.Env {
		if value == now.Data.Env[name] && len(maskedIn(s.rec, []byte(value))) > 0 {
			s.unknown(KindEnvironment, name, "its value is masked")
		}
	}
	s.host(now)
	if s.asks(KindCode) {
		s.code(ctx, "git", s.rec.Data.PWD, record.PartPatch, s.rec.Data.Git, m)
		if code := s.rec.Data.Code; code != nil {
			s.code(ctx, "code", filepath.Dir(code.Path), record.PartCodePatch, code, m)
		}
	}
	return nil
}

func (s *since) change(kind Kind, f FieldChange) {
	one := Since{Kind: kind, Name: f.Name, State: SinceChanged, From: f.From, To: f.To, Now: f.To}
	if f.From == NotRecorded || f.To == NotRecorded {
		one.State, one.Why = SinceUnknown, NotRecorded
	}
	s.add(one)
}

// host compares the machine and the user.
func (s *since) host(now *record.Record) {
	for _, f := range changed(FieldChange{"host", s.rec.Data.Host, now.Data.Host}, FieldChange{"user", s.rec.Data.User, now.Data.User}) {
		s.change(KindHost, f)
	}
	machine := now.Data.Machine
	if was := s.rec.Data.Machine; machine != nil && was != nil && s.asks(KindHost) {
		copied := *machine
		gpus := provenance.FoundGPUs()
		copied.GPUs, copied.GPUDriver = gpus.Names, gpus.Driver
		machine = &copied
	}
	for _, f := range machineChanges(s.rec.Data.Machine, machine) {
		s.change(KindHost, f)
	}
}

// softwareTime is how long is waited at most for the programs and packages that a command has now.
const softwareTime = 10 * time.Second

// softwareNow returns with which software the command of a record would run now, and its packages; nil
// if that is not recorded in this home.
func (q *Service) softwareNow(ctx context.Context, rec *record.Record, m *masking) (*record.Software, []byte) {
	collection := q.collectSoftware(rec.Data.PWD, rec.Data.Cmd, m)
	if collection == nil {
		return nil, nil
	}
	collection.Begin()
	select {
	case <-collection.Done():
	case <-ctx.Done():
	case <-time.After(softwareTime):
	}
	found := collection.End()
	return found.Software, found.Env
}

// software compares programs and packages.
func (s *since) software(now *record.Record, env []byte) {
	if !s.asks(KindProgram, KindSoftware) || s.rec.Data.Software == nil && now.Data.Software == nil {
		return
	}
	if now.Data.Software == nil && !s.q.Settings.Software {
		s.unknown(KindSoftware, "", "the setting run.software is off")
		return
	}
	s.asRecorded(now.Data.Software)
	if env != nil {
		now.Data.Parts = record.Parts{record.PartEnv: record.NewPart(env)}
	}
	c := &Comparison{A: s.v, B: Version{Record: now, service: s.q, parts: map[record.PartName][]byte{record.PartEnv: env}}}
	if err := c.compareSoftware(); err != nil {
		s.unknown(KindSoftware, "", err.Error())
	}
	scripts := s.scripts()
	for _, f := range c.Fields {
		path, isProgram := strings.CutPrefix(f.Name, "program ")
		switch {
		case isProgram && slices.Contains(scripts, path): // it was looked at with the files
		case isProgram:
			f.Name = path
			s.change(KindProgram, f)
		default:
			f.Name = strings.TrimPrefix(f.Name, "package ")
			s.change(KindSoftware, f)
		}
	}
	for _, note := range c.Notes {
		s.unknown(KindSoftware, "", strings.ToLower(note[:1])+strings.TrimSuffix(note[1:], ".")) // a sentence no more
	}
}

// asRecorded hashes the programs of now by the rule by which they were hashed then.
func (s *since) asRecorded(now *record.Software) {
	if now == nil || s.rec.Data.Software == nil {
		return
	}
	for i, p := range now.Programs {
		j := slices.IndexFunc(s.rec.Data.Software.Programs, func(o record.Program) bool { return o.Path == p.Path })
		if j < 0 {
			continue
		}
		was := s.rec.Data.Software.Programs[j]
		if was.Size != p.Size || was.Partial == p.Partial {
			continue
		}
		f := provenance.Recorded{Path: p.Path, Size: was.Size, SHA256: was.SHA256, Partial: was.Partial}
		if again := provenance.Again(context.Background(), []provenance.Recorded{f}, s.q.Settings.Hashes, false, softwareTime); again[0].SHA256 != "" {
			now.Programs[i].SHA256, now.Programs[i].Partial = again[0].SHA256, was.Partial
		}
	}
}

// longestSince bounds the difference of a working tree that is compared, in bytes.
const longestSince = record.MaxPart

// code compares the tracked files of a repository with those that the run had, but for those that are
// compared by themselves: inputs, scripts and outputs.
func (s *since) code(ctx context.Context, name, dir string, part record.PartName, was *record.Git, m *masking) {
	if was == nil || was.Commit == "" {
		return
	}
	one := Since{Kind: KindCode, Name: name, State: SinceChanged, From: commitText(was), To: NotRecorded}
	got := s.inTime(ctx, dir, part, was, m)
	one.To, one.Now = got.commit, got.sha256
	switch {
	case got.err != nil:
		one.State, one.Why = SinceUnknown, valid(got.err.Error())
	case len(got.files) == 0:
		return
	default:
		one.setFiles(got.files)
	}
	s.add(one)
}

// setFiles lists some files that differ, and says how many more there are.
func (one *Since) setFiles(files []string) {
	one.Files = files[:min(len(files), MostSinceFiles)]
	if more := len(files) - len(one.Files); more > 0 {
		one.Why = strings.TrimPrefix(fmt.Sprintf("%s, and there are %d more", one.Why, more), ", ")
	}
}

// inTime is differing, unless a file server does not respond.
func (s *since) inTime(ctx context.Context, dir string, part record.PartName, was *record.Git, m *masking) codeNow {
	got, ok := intime.Within(2*patchTime, func() codeNow { return s.differing(ctx, dir, part, was, m) })
	if !ok {
		got.err = errLate
	}
	return got
}

// commitText describes the state of a repository.
func commitText(git *record.Git) string {
	text := git.Commit[:min(len(git.Commit), 12)]
	if git.Dirty != nil && *git.Dirty {
		text += " dirty"
	}
	return text
}

// committed looks at files that a traced run has read and that are not listed, since they were as in a commit.
// Which ones they are is not known, but for scripts.
func (s *since) committed(ctx context.Context) {
	if s.files == nil || s.files.Trace == nil {
		return
	}
	scripts := s.scripts()
	for _, tree := range s.files.Trace.Software {
		if _, ok := s.path(tree.Path); !ok || tree.Commit == "" || !filepath.IsAbs(tree.Path) {
			continue
		}
		was := &record.Git{Commit: tree.Commit, Dirty: new(false)}
		one := Since{Kind: KindInputs, Name: tree.Path, State: SinceUnknown, From: fmt.Sprintf("%d files as in commit %.12s", tree.Files, tree.Commit)}
		got := s.inTime(ctx, tree.Path, record.PartPatch, was, s.q.masking())
		if got.err != nil {
			one.Why = valid(got.err.Error())
			s.add(one)
			continue
		}
		files := slices.DeleteFunc(got.files, func(name string) bool {
			path := filepath.Join(tree.Path, name)
			is := slices.Contains(scripts, path)
			if is {
				s.add(Since{Kind: KindScript, Name: path, State: SinceChanged, Path: path, From: "as in commit " + tree.Commit[:min(len(tree.Commit), 12)], Now: got.sha256})
			}
			return is
		})
		if len(files) == 0 {
			continue
		}
		one.Why, one.Now = "some of the files that differ may be among them", got.sha256
		one.setFiles(files)
		s.add(one)
	}
}

// A codeNow says how the tracked files of a repository are not as in the tree of a run.
type codeNow struct {
	commit string   // that is checked out
	files  []string // that differ, but for those that are compared by themselves
	sha256 string   // of how they differ from the commit of the run, if that was asked for
	err    error    // why it is not known
}

func (s *since) differing(ctx context.Context, dir string, part record.PartName, was *record.Git, m *masking) (now codeNow) {
	git, _ := s.q.Settings.GitState(dir)
	if git == nil {
		now.err = errors.New("it is in no repository of git now")
		return now
	}
	now.commit = commitText(git)
	then, err := difference(s.v, codeState{git: was, part: part}, false)
	if err != nil {
		now.err = err
		return now
	}
	tree, err := treeAt(dir)
	if err != nil {
		now.err = err
		return now
	}
	files, known, err := patch.Differing(ctx, tree, was.Commit)
	switch {
	case err != nil:
		now.err = err
		return now
	case len(files) == 0 && len(then.Diff) == 0 && !known:
		now.err = errors.New("submodules are not looked into")
		return now
	}
	var diff []byte
	if len(files) > 0 && (len(then.Diff) > 0 || s.o.Hash) {
		p, err := patch.Take(ctx, tree, was.Commit, longestSince, "")
		if err != nil {
			now.err = err
			return now
		}
		diff = m.patch(part, p).Diff
	}
	if len(then.Diff) > 0 {
		files = differentSections(then.Diff, diff)
	}
	now.files = s.notNamed(tree.Root, files)
	if s.o.Hash {
		var differs []byte
		all := sections(diff)
		for _, name := range now.files {
			differs = append(differs, all[name]...)
		}
		now.sha256 = record.NewPart(differs).SHA256
	}
	return now
}

// notNamed returns those files of a repository that are not compared by themselves.
func (s *since) notNamed(root string, files []string) []string {
	own := map[string]bool{}
	mark := func(path string) {
		own[path] = true
		if real, err := filepath.EvalSymlinks(path); err == nil {
			own[real] = true
		}
	}
	if s.files != nil {
		for _, f := range slices.Concat(s.files.In, s.files.Out) {
			if path, ok := s.path(f.Path); ok && (f.SHA256 != "" || f.By == record.ByStdio) {
				mark(path)
			}
		}
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	return slices.DeleteFunc(files, func(name string) bool { return own[filepath.Join(root, name)] })
}

// differentSections returns the names of the files of which two differences of git, from one commit,
// have different sections, sorted.
func differentSections(a, b []byte) (files []string) {
	from, to := sections(a), sections(b)
	for name, section := range from {
		if !bytes.Equal(section, to[name]) {
			files = append(files, name)
		}
	}
	for name := range to {
		if _, there := from[name]; !there {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files
}

// sections returns the parts of a difference of git by the names of their files. Without renames both
// names in a header are the same.
func sections(diff []byte) map[string][]byte {
	const begin = "diff --git "
	all := map[string][]byte{}
	for len(diff) > 0 {
		end := len(diff)
		if i := bytes.Index(diff, []byte("\n"+begin)); i >= 0 {
			end = i + 1
		}
		section := diff[:end]
		diff = diff[end:]
		line, _, _ := bytes.Cut(section, []byte("\n"))
		both, ok := bytes.CutPrefix(line, []byte(begin))
		if !ok || len(both) < len("a/x b/x") {
			continue
		}
		all[strings.TrimPrefix(string(both[:len(both)/2]), "a/")] = section
	}
	return all
}
