package tasks

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"sync"

	"qme/executor"
	"qme/internal/mask"
	"qme/internal/safe"
	"qme/provenance/patch"
	"qme/record"
)

// longestName bounds the names of files, which markers make longer, as records from elsewhere must.
const longestName = 8 << 10

// longestWhy bounds a reason, likewise.
const longestWhy = 900

// A masking takes the secrets out of what is recorded of a run, before it is written anywhere.
type masking struct {
	set     *mask.Set // nil: there are none
	carried []string  // names of secrets that the command of a rerun has, already masked
	fields  mask.Counts
	files   mask.Counts // of the latest list of files
	// programs is the same for the software.
	programs mask.Counts
	// coded is the same for the repository of the script.
	coded   mask.Counts
	streams []*mask.Writer
	ended   bool // the streams have ended; until then their counts belong to other goroutines

	parting sync.Mutex // guards parts
	parts   map[record.PartName]mask.Counts
}

func (q *Service) masking() *masking {
	m := &masking{fields: mask.Counts{}, files: mask.Counts{}}
	if q.Settings.Mask != nil {
		m.set = q.Settings.Mask()
	}
	return m
}

// with adds the secrets of a command that is run again.
func (m *masking) with(real *revealed) *masking {
	if len(real.secrets) > 0 {
		m.set = m.set.With(real.secrets...)
	}
	m.carried = real.names
	return m
}

// begin masks the fields of a run that begins. argv is the command that is run.
func (m *masking) begin(rec *record.Record, argv []string) {
	if m.set = m.set.ForCommand(argv); m.set.Empty() {
		m.set = nil
	}
	if m.set == nil && len(m.carried) == 0 {
		return
	}
	m.count(rec)
	d := &rec.Data
	words := m.set.Words(d.Cmd, m.fields)
	switch n := len(d.Cmd); {
	case n > 0 && rec.Command == d.Cmd[n-1]: // a command line
		rec.Command = words[n-1]
	case rec.Command == executor.Quote(d.Cmd):
		rec.Command = executor.Quote(words)
	default:
		rec.Command = m.set.Text(rec.Command, mask.Counts{}) // it was counted with the words
	}
	d.Cmd = words
	for name, value := range d.Env {
		d.Env[name] = m.set.Variable(name, value, m.fields)
	}
	d.Files = m.listed(d.Files)
	m.rest(rec)
	m.note(rec)
}

func (m *masking) text(text string) string { return m.set.Text(text, m.fields) }

// rest masks all other texts of a record, also those that other parts of this program add later.
func (m *masking) rest(rec *record.Record) {
	if m.set != nil {
		walkTexts(reflect.ValueOf(&rec.Data).Elem(), m.text)
	}
}

// count counts the markers that the command of a rerun has already.
func (m *masking) count(rec *record.Record) {
	for _, text := range slices.Concat([]string{rec.Data.PWD}, rec.Data.Cmd, declaredWords(rec.Data.Declared)) {
		for _, at := range mask.Markers(text) {
			if slices.Contains(m.carried, at.Name) {
				m.fields[at.Name]++
			}
		}
	}
}

// listed returns a list of files with their names masked. The hash of a file to which masked
// output was redirected is left out: a short secret could be guessed from it.
func (m *masking) listed(files *record.Files) *record.Files {
	if m.set == nil || files == nil {
		return files
	}
	m.files = mask.Counts{}
	secret := false
	for _, w := range m.streams {
		secret = secret || m.ended && len(w.Counts()) > 0
	}
	masked := *files
	masked.In, masked.Out = slices.Clone(files.In), slices.Clone(files.Out)
	for _, list := range [][]record.File{masked.In, masked.Out} {
		for i := range list {
			list[i].Path = safe.Shorten(m.set.Text(list[i].Path, m.files), longestName)
			list[i].Program = safe.Shorten(m.set.Text(list[i].Program, m.files), longestName)
		}
	}
	masked.Trace = m.trace(files.Trace)
	for i := range masked.Out {
		if out := &masked.Out[i]; secret && out.By == record.ByStdio {
			out.SHA256, out.Partial = "", false
		}
	}
	return &masked
}

// trace returns what a record tells of a trace, masked.
func (m *masking) trace(t *record.Trace) *record.Trace {
	if t == nil {
		return nil
	}
	masked := *t
	masked.Error = safe.Shorten(m.set.Text(t.Error, m.files), longestWhy)
	masked.Software = slices.Clone(t.Software)
	for i := range masked.Software {
		masked.Software[i].Path = safe.Shorten(m.set.Text(t.Software[i].Path, m.files), longestName)
	}
	return &masked
}

// finds reports whether there is a secret in a text.
func (m *masking) finds(b []byte) bool {
	if m.set == nil {
		return false
	}
	counts := mask.Counts{}
	m.set.Bytes(b, counts)
	return len(counts) > 0
}

// stream returns the writer for a stream of the run, whose destination is w.
func (m *masking) stream(w io.Writer) io.Writer {
	masked := m.set.Writer(w)
	if masked == nil {
		return w
	}
	m.streams = append(m.streams, masked)
	return masked
}

// flush passes on what was held back of the streams.
func (m *masking) flush(rec *record.Record) error {
	var errs []error
	for _, w := range m.streams {
		errs = append(errs, w.Close())
	}
	m.ended = true
	m.note(rec)
	return errors.Join(errs...)
}

// part masks the content of a part of the run. It is for any number of goroutines.
func (m *masking) part(name record.PartName, content []byte) []byte {
	if m.set == nil {
		return content
	}
	switch name {
	case record.PartUsage: // it has numbers alone
		return content
	case record.PartFiles, record.PartKept, record.PartPatch, record.PartCodePatch: // they are made from what is masked
		return content
	}
	counts := mask.Counts{}
	content = m.set.Bytes(content, counts)
	m.counted(name, counts)
	return content
}

// counted notes how much was masked in a part.
func (m *masking) counted(name record.PartName, counts mask.Counts) {
	m.parting.Lock()
	defer m.parting.Unlock()
	if m.parts == nil {
		m.parts = map[record.PartName]mask.Counts{}
	}
	m.parts[name] = counts
}

// code masks the texts of the state of a repository, in place of what it has masked before.
func (m *masking) code(git *record.Git) {
	if m.set == nil {
		return
	}
	m.coded = mask.Counts{}
	walkTexts(reflect.ValueOf(git).Elem(), func(text string) string { return m.set.Text(text, m.coded) })
	git.Path = safe.Shorten(git.Path, longestName)
}

// patch returns a copy of a patch, the part of that name, with its secrets masked.
func (m *masking) patch(name record.PartName, p *patch.Patch) *patch.Patch {
	if m.set == nil {
		return p
	}
	masked, counts := *p, mask.Counts{}
	masked.Diff = m.diff(p.Diff, counts)
	masked.Untracked = slices.Clone(p.Untracked)
	for i := range masked.Untracked {
		masked.Untracked[i].Path = m.set.Text(masked.Untracked[i].Path, counts)
	}
	masked.Submodules = slices.Clone(p.Submodules)
	for i, path := range masked.Submodules {
		masked.Submodules[i] = m.set.Text(path, counts)
	}
	m.counted(name, counts)
	return &masked
}

// diff masks what git printed. Of a file with a secret it leaves out the names of the blobs, which
// are hashes of the content; git-apply(1) does not need them for text.
func (m *masking) diff(diff []byte, counts mask.Counts) []byte {
	const begin, names = "\ndiff --git ", "\nindex "
	var out []byte
	for len(diff) > 0 {
		file := diff
		if end := bytes.Index(diff[1:], []byte(begin)); end >= 0 {
			file = diff[:end+2] // with the newline
		}
		diff = diff[len(file):]
		here := mask.Counts{}
		masked := m.set.Bytes(file, here)
		if at := bytes.Index(masked, []byte(names)); at >= 0 && len(here) > 0 {
			line, rest, _ := bytes.Cut(masked[at+1:], []byte("\n"))
			if !bytes.Contains(masked[:at], []byte("\n@@")) && len(line) > 0 {
				masked = slices.Concat(masked[:at+1], rest)
			}
		}
		out = append(out, masked...)
		counts.Add(here)
	}
	return out
}

// note sets the counts of the record.
func (m *masking) note(rec *record.Record) {
	all := maps.Clone(m.fields)
	all.Add(m.files)
	all.Add(m.programs)
	all.Add(m.coded)
	for _, w := range m.streams {
		if m.ended {
			all.Add(w.Counts())
		}
	}
	m.parting.Lock()
	defer m.parting.Unlock()
	for _, counts := range m.parts {
		all.Add(counts)
	}
	for _, name := range all.Names()[min(len(all), record.MostMasked):] {
		delete(all, name)
	}
	if rec.Data.Masked = all; len(all) == 0 {
		rec.Data.Masked = nil
	}
}

// job masks what a scheduler, or the output of a command, says of a job. It is not counted, since a
// report replaces the last one.
func (m *masking) job(job *record.Job) {
	if m.set != nil && job != nil {
		walkTexts(reflect.ValueOf(job).Elem(), func(text string) string { return m.set.Text(text, mask.Counts{}) })
	}
}
