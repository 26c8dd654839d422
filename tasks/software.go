package tasks

import (
	"os"
	"slices"

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
func (r *run) endSoftware() {
	found := r.software.End()
	d := &r.rec.Data
	r.mask.software(found.Software)
	d.Software = found.Software
	if found.Env != nil {
		r.part(record.PartEnv, found.Env)
	}
	if d.Machine != nil {
		d.Machine.GPUs, d.Machine.GPUDriver = found.GPUs.Names, found.GPUs.Driver
	}
}

// software masks the texts of the software of a run.
func (m *masking) software(s *record.Software) {
	if m.set == nil || s == nil {
		return
	}
	path := func(texts ...*string) {
		for _, text := range texts {
			*text = safe.Shorten(m.text(*text), longestName)
		}
	}
	for i := range s.Programs {
		p := &s.Programs[i]
		path(&p.Path, &p.Real, &p.Interpreter)
	}
	for i := range s.Environments {
		path(&s.Environments[i].Path)
	}
	s.Modules = slices.Clone(s.Modules)
	for i := range s.Modules {
		s.Modules[i] = safe.Shorten(m.text(s.Modules[i]), longestModule)
	}
	containers := s.Images
	for i := range containers {
		path(&containers[i].Image)
	}
	if c := s.Container; c != nil {
		path(&c.Image)
		c.Name = safe.Shorten(m.text(c.Name), longestModule)
	}
}

// longestModule bounds the names of modules and containers, which markers make longer.
const longestModule = 400
