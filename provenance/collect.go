package provenance

import (
	"context"
	"slices"
	"sync"
	"time"

	"qme/internal/intime"
	"qme/internal/panics"
	"qme/provenance/software"
	"qme/record"
)

// SoftwareLimits bound the work on the software of a run.
type SoftwareLimits struct {
	Wait time.Duration // after the end of the command
	// Cache is a folder that keeps lists of packages for further runs; "" for none. It can be
	// deleted at any time.
	Cache string
	// Secret reports whether a file of the cache would have a secret in it, and so must not be
	// written; nil for none. It may be called in another goroutine.
	Secret func(content []byte) bool
	// Git returns the state of the repository that holds a folder; nil for none.
	Git func(dir string) *record.Git
}

// A Collection finds out with which software a command runs, beside it. Its methods are for one
// goroutine. A nil Collection finds nothing.
type Collection struct {
	command Command
	limits  SoftwareLimits
	first   *program // as it was before the command started; nil if it was not found
	hashing *hashing
	over    context.Context // ended when nothing waits any more
	stop    context.CancelFunc
	begun   bool
	done    chan struct{}

	mu    sync.Mutex
	found found
}

// What is found of the software, at any moment.
type found struct {
	programs     []*program
	environments []*software.Environment
	other        record.Software // modules and containers
	gpus         GPUs
	part         []byte
	complete     bool
}

// Collected is the software of a run.
type Collected struct {
	Software *record.Software
	GPUs     GPUs
	Env      []byte // the part with the packages; nil for none
}

// Collect looks for the program of a command, before it starts.
func Collect(c Command, hashes Limits, l SoftwareLimits) *Collection {
	s := &Collection{command: c, limits: l, hashing: newHashing(hashes), done: make(chan struct{})}
	s.over, s.stop = context.WithCancel(context.Background())
	s.first, _ = intime.Within(beginning, func() *program { return newPrograms(c).find(c.Argv[0]) })
	return s
}

// Programs returns the programs of a command that does not start now, with the hashes that are there at a
// time. It returns nil if they cannot be looked at in time.
func Programs(c Command, hashes Limits, deadline time.Time) []record.Program {
	list, _ := intime.Within(time.Until(deadline), func() (list []record.Program) {
		// What was typed must never keep the user from an answer.
		if err := panics.Catch(func() error { list = programsOf(c, hashes, deadline); return nil }); err != nil {
			return nil
		}
		return list
	})
	return list
}

func programsOf(c Command, hashes Limits, deadline time.Time) (list []record.Program) {
	s := Collect(c, hashes, SoftwareLimits{})
	programs := newPrograms(c)
	programs.add(s.first)
	s.calls(programs)
	for _, p := range programs.list {
		s.hashing.add(p.path, p.state)
	}
	s.hashing.finish(deadline.Add(-hashingLate))
	for _, p := range programs.list {
		list = append(list, p.recorded(s.hashing))
	}
	return list
}

// hashingLate is how long before a deadline what was hashed is looked at.
const hashingLate = 10 * time.Millisecond

// Begin begins to collect, in the background.
func (s *Collection) Begin() {
	if s == nil {
		return
	}
	s.begun = true
	go func() {
		defer close(s.done)
		// Other people's files must never end this process.
		if err := panics.Catch(func() error { s.collect(); return nil }); err != nil {
			s.note(func(f *found) { f.other.NotRecorded = append(f.other.NotRecorded, "the rest: a fault of qme") })
		}
	}()
}

func (s *Collection) note(change func(*found)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.found)
}

func (s *Collection) collect() {
	programs := newPrograms(s.command)
	programs.add(s.first)
	calls := s.calls(programs)
	for _, p := range programs.list {
		s.hashing.add(p.path, p.state)
	}
	other := s.others(calls)
	if programs.lost {
		other.NotRecorded = append(other.NotRecorded, otherPath)
	}
	q := software.Query{Dir: s.command.Dir, Env: s.command.Env}
	for _, p := range programs.list {
		q.Programs = append(q.Programs, software.Program{Path: p.path, Real: p.real})
	}
	environments := software.Find(q)
	for _, e := range environments {
		e.NotRecorded = software.Late
	}
	s.note(func(f *found) {
		f.programs, f.other, f.environments = programs.list, other, slices.Clone(environments)
	})
	for i := range environments {
		e := *environments[i]
		e.Read(software.Cache{Dir: s.limits.Cache, Secret: s.limits.Secret}, func() bool { return s.over.Err() != nil })
		environments[i] = &e
		s.note(func(f *found) { f.environments[i] = &e })
	}
	gpus := findGPUs("/")
	part := software.Encode(environments, s.limits.Git)
	s.note(func(f *found) { f.gpus, f.part, f.complete = gpus, part, true })
	s.hashing.finish(time.Now().Add(longestHashing))
}

// longestHashing ends the hashing of programs on a file server that does not respond.
const longestHashing = time.Minute

// otherPath is what is not recorded of a command that changes PATH, or may change it.
const otherPath = "programs that are looked for after PATH may have changed, as after source, eval or module load"

// calls returns the simple commands of the run, and adds their programs.
func (s *Collection) calls(p *programs) []call {
	first := call{words: s.command.Argv}
	all := []call{first}
	if s.first != nil {
		p.addCall(first.wrapped(), false)
	}
	line, _, ok := commandLine(s.command.Argv)
	if !ok {
		return all
	}
	l, file := parseLine(line, s.command, time.Now().Add(beginning))
	if l == nil {
		return all
	}
	list := calls(l, file)
	for _, c := range list {
		p.addCall(c, true)
	}
	return append(all, list...)
}

// others returns the modules and containers of the run.
func (s *Collection) others(calls []call) record.Software {
	other := record.Software{Container: software.Inside(s.command.Env)}
	if value := software.Variable(s.command.Env, software.ModulesVariable); value != "" {
		why := ""
		if other.Modules, why = software.Modules(value); why != "" {
			other.NotRecorded = append(other.NotRecorded, why)
		}
	}
	for _, one := range calls {
		for ; len(one.words) > 0; one = one.wrapped() {
			if c := software.Started(one.words); c != nil && len(other.Images) < record.MostImages && !slices.Contains(other.Images, *c) {
				other.Images = append(other.Images, *c)
			}
		}
	}
	return other
}

// Done returns a channel that is closed when all has been found; nil, which never is, for a Collection
// that finds nothing.
func (s *Collection) Done() <-chan struct{} {
	if s == nil || !s.begun {
		return nil
	}
	return s.done
}

// End returns what was found when the command has ended. It waits for the rest as long as the
// limits say. Nothing is found of a command that has not started.
func (s *Collection) End() Collected {
	if s == nil || !s.begun {
		return Collected{}
	}
	select {
	case <-s.done:
	case <-time.After(s.limits.Wait):
	}
	s.stop()
	s.hashing.cancel()
	return s.Found()
}

// Found returns what was found up to now. The result belongs to the caller. It may be called from
// another goroutine.
func (s *Collection) Found() Collected {
	s.mu.Lock()
	f := s.found
	f.environments = slices.Clone(f.environments)
	s.mu.Unlock()
	all := f.other
	all.Modules, all.Images, all.NotRecorded = slices.Clone(all.Modules), slices.Clone(all.Images), slices.Clone(all.NotRecorded)
	if all.Container != nil {
		container := *all.Container
		all.Container = &container
	}
	if !f.complete {
		all.NotRecorded = append(all.NotRecorded, "the rest: there was no time")
		f.part = software.Encode(f.environments, nil)
	}
	for _, p := range f.programs {
		all.Programs = append(all.Programs, p.recorded(s.hashing))
	}
	for _, e := range f.environments {
		one := e.Environment
		one.Path = valid(one.Path)
		all.Environments = append(all.Environments, one)
	}
	if len(all.Programs)+len(all.Environments)+len(all.Modules)+len(all.Images)+len(all.NotRecorded) == 0 && all.Container == nil {
		return Collected{GPUs: f.gpus, Env: f.part}
	}
	return Collected{Software: &all, GPUs: f.gpus, Env: f.part}
}
