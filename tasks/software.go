package tasks

import (
	"os"
	"time"

	"qme/internal/mask"
	"qme/internal/safe"
	"qme/provenance"
	"qme/record"
)

// collectSoftware looks for the program of a command in dir, whose secrets no file of the home may
// have.
func (q *Service) collectSoftware(dir string, argv []string, m *masking) *provenance.Collection {
	set := q.Settings
	if !set.Software || len(argv) == 0 {
		return nil
	}
	limits := set.Packages
	limits.Secret = func(b []byte) bool {
		counts := mask.Counts{}
		m.set.Bytes(b, counts)
		return len(counts) > 0
	}
	return provenance.Collect(provenance.Command{Dir: dir, Argv: argv, Env: os.Environ()}, set.Hashes, limits)
}

// endSoftware puts what was found of the software into the record.
func (r *run) endSoftware() { r.putSoftware(r.rec, r.software.End()) }

func (r *run) putSoftware(rec *record.Record, found provenance.Collected) {
	d := &rec.Data
	r.mask.software(found.Software)
	d.Software = found.Software
	if found.Env != nil {
		r.part(record.PartEnv, found.Env)
	}
	if d.Machine != nil {
		machine := *d.Machine
		machine.GPUs, machine.GPUDriver = found.GPUs.Names, found.GPUs.Driver
		d.Machine = &machine
	}
}

// early is how long a command has to run until what was found beside it is put into the spool
// meanwhile.
const early = time.Second

// keepFound puts what is found of the software and the code into the spool while the command runs, for
// a run that will be cut off. The record must not change until the function that it returns has been
// called.
func (r *run) keepFound() (end func()) {
	if r.software == nil && r.code == nil {
		return func() {}
	}
	rec := *r.rec
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-time.After(early):
		case <-stop:
			return
		}
		r.code.put(r, &rec)
		if r.software != nil {
			select {
			case <-r.software.Done():
			case <-stop:
				return
			}
			r.putSoftware(&rec, r.software.Found())
		}
		r.mask.note(&rec)
		if err := r.entry.Write(&rec); err != nil {
			r.q.Warn("the software of the run is not in the spool yet: %v", err)
		}
	}()
	return func() { close(stop); <-done }
}

// software masks the texts of the software of a run, in place of what it has masked before.
func (m *masking) software(s *record.Software) {
	if m.set == nil || s == nil {
		return
	}
	m.programs = mask.Counts{}
	path := func(texts ...*string) {
		for _, text := range texts {
			*text = safe.Shorten(m.set.Text(*text, m.programs), longestName)
		}
	}
	for i := range s.Programs {
		p := &s.Programs[i]
		path(&p.Path, &p.Real, &p.Interpreter)
	}
	for i := range s.Environments {
		path(&s.Environments[i].Path)
	}
	for i := range s.Modules {
		s.Modules[i] = safe.Shorten(m.set.Text(s.Modules[i], m.programs), longestModule)
	}
	containers := s.Images
	for i := range containers {
		path(&containers[i].Image)
	}
	if c := s.Container; c != nil {
		path(&c.Image)
		c.Name = safe.Shorten(m.set.Text(c.Name, m.programs), longestModule)
	}
}

// longestModule bounds the names of modules and containers, which markers make longer.
const longestModule = 400
