package tasks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"qme/internal/intime"
	"qme/internal/mask"
	"qme/internal/panics"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/provenance"
	"qme/record"
	"qme/record/metric"
	"qme/tasks/waiting"
)

// MetricOptions are the metrics that a run is asked for when it has ended.
type MetricOptions struct {
	// Specs are looked for in what the run prints, each name once.
	Specs []metric.Spec
	// Files are read for the numbers in them: names relative to the directory of the run, or absolute ones. See CheckMetricFiles.
	Files []string
}

// MostMetricFiles is how many files with metrics a run has at most.
const MostMetricFiles = 20

// CheckMetricFiles checks the names of files with metrics. The error wraps record.ErrInvalid.
func CheckMetricFiles(names []string) error {
	if len(names) > MostMetricFiles {
		return fmt.Errorf("%w files of metrics: there are %d, and at most %d are read", record.ErrInvalid, len(names), MostMetricFiles)
	}
	for _, name := range names {
		if name == "" || len(name) > record.LongestDeclared || strings.ContainsRune(name, 0) {
			return fmt.Errorf("%w name of a file of metrics: it has %d bytes", record.ErrInvalid, len(name))
		}
	}
	return nil
}

// with returns what is asked for with what else is: of the same names the first counts.
func (o MetricOptions) with(more MetricOptions) MetricOptions {
	all := MetricOptions{slices.Clone(o.Specs), slices.Clone(o.Files)}
	for _, s := range more.Specs {
		if !slices.ContainsFunc(all.Specs, func(is metric.Spec) bool { return is.Name == s.Name }) {
			all.Specs = append(all.Specs, s)
		}
	}
	for _, name := range more.Files {
		if !slices.Contains(all.Files, name) {
			all.Files = append(all.Files, name)
		}
	}
	all.Specs, all.Files = all.Specs[:min(len(all.Specs), record.MostMetrics)], all.Files[:min(len(all.Files), MostMetricFiles)]
	return all
}

// metricsAgain returns what a rerun is asked for: what options say, and else what the run before it has recorded. A record can
// come from elsewhere, so no file outside of the directory of the run is read for it.
func (q *Service) metricsAgain(old *record.Record, o MetricOptions) MetricOptions {
	var was MetricOptions
	for _, m := range old.Data.Metrics {
		switch s, ok, err := metric.Again(m); {
		case m.File != "" && slices.Contains(was.Files, m.File):
		case m.File != "" && filepath.IsLocal(m.File) && len(mask.Markers(m.File)) == 0 && CheckMetricFiles([]string{m.File}) == nil:
			was.Files = append(was.Files, m.File)
		case m.File != "":
			q.Warn("%s is not read for metrics again; name it with --metric-file", safe.Bounded(m.File))
		case err != nil || !ok || len(mask.Markers(m.Pattern)) > 0:
			q.Warn("the metric %s is not asked for again; name it with --metric", safe.Bounded(m.Name))
		default:
			was.Specs = append(was.Specs, s)
		}
	}
	if len(o.Specs) == 0 {
		o.Specs = was.Specs
	}
	if len(o.Files) == 0 {
		o.Files = was.Files
	}
	return MetricOptions{}.with(o)
}

// metricsOf returns what a run is asked for by its options and the settings.
func (q *Service) metricsOf(o MetricOptions) MetricOptions { return o.with(q.Settings.Metrics) }

// metricsIn returns what a task of the queue is asked for. What cannot be read of that is said.
func (q *Service) metricsIn(e *waiting.Entry) MetricOptions {
	o := MetricOptions{Files: allStrings(e.MetricFiles)}
	err := CheckMetricFiles(o.Files)
	if err != nil {
		o.Files = nil
	}
	specs, serr := metric.ParseAll(e.Metrics)
	if err = errors.Join(err, serr); err != nil {
		q.Warn("metrics will be missing in the record: %v", err)
	}
	o.Specs = specs
	return o
}

// watchedOutputs returns declared files with those that have metrics, which are outputs as well.
func watchedOutputs(d provenance.Declared, files []string) provenance.Declared {
	out := slices.Clone(d.Out)
	for _, name := range files {
		out = append(out, literal(name))
	}
	return provenance.Declared{In: d.In, Out: out}
}

// literal returns a pattern that matches a name.
func literal(name string) string {
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, "{", `\{`, `\`, `\\`).Replace(name)
}

// metricTime is how long the output of a run is looked through for metrics at most.
const metricTime = 2 * time.Second

// takeMetrics puts the metrics that were asked for into the record of a run that has ended. What cannot be told is said, and is no
// failure of the run.
func (r *run) takeMetrics() {
	all := r.q.metricsOf(r.metrics)
	if len(all.Specs)+len(all.Files) == 0 {
		return
	}
	var sources []record.Metrics
	// Other people's output must never end this process.
	if err := panics.Catch(func() error {
		sources = append(sources, r.printedMetrics(all.Specs))
		for _, name := range all.Files {
			sources = append(sources, r.fileMetrics(name))
		}
		return nil
	}); err != nil {
		r.q.Warn("metrics are missing in the record: %v", err)
	}
	list := metric.Join(sources...)
	list = slices.DeleteFunc(list, func(m record.Metric) bool { return r.mask.finds([]byte(m.Name)) })
	if n := 0; len(list) > record.MostMetrics {
		n, list = len(list)-record.MostMetrics, list[:record.MostMetrics]
		r.q.Warn("%d metrics of the files are not recorded, since a run has at most %d", n, record.MostMetrics)
	}
	r.rec.Data.Metrics = list
	for _, s := range r.metrics.Specs {
		if _, has := list.Get(s.Name); !has && !slices.Contains(r.unknown, s.Name) {
			r.q.Warn("the metric %s is not recorded: nothing in the output has it", s.Name)
		}
	}
}

// A printedMetrics is what was found in the streams of a run.
type printedMetrics struct {
	metrics record.Metrics
	unknown []string // names of metrics that may be in a part that is not kept
	skipped int      // lines that were too long
	errs    []error
}

// printedMetrics returns the metrics that were asked for of the streams, as they are recorded. What standard output has is not looked
// for in standard error.
func (r *run) printedMetrics(specs []metric.Spec) record.Metrics {
	if len(specs) == 0 {
		return nil
	}
	found, ok := intime.Within(metricTime+metricLate, func() (p printedMetrics) {
		// Other people's output must never end this process.
		if err := panics.Catch(func() error { p = r.print(specs, time.Now().Add(metricTime)); return nil }); err != nil {
			p.errs = append(p.errs, err)
		}
		return p
	})
	if !ok {
		for _, s := range specs {
			r.unknown = append(r.unknown, s.Name)
		}
		r.q.Warn("the metrics of the output are not recorded: its lines, or the expressions, are so long that they could not be looked through in %v", metricTime)
		return nil
	}
	for _, err := range found.errs {
		r.q.Warn("the output is not looked at for metrics: %v", err)
	}
	r.unknown = append(r.unknown, found.unknown...)
	for _, name := range slices.Compact(slices.Sorted(slices.Values(r.unknown))) {
		if _, has := found.metrics.Get(name); !has {
			r.q.Warn("the metric %s is not recorded: it may be in the part of the output that is not kept (setting run.keep)", name)
		}
	}
	if found.skipped > 0 {
		r.q.Warn("%d lines of the output were too long to be looked at for metrics", found.skipped)
	}
	return found.metrics
}

// metricLate is how much later than at metricTime, when no further part of the output is read, one line may have been looked through.
const metricLate = 500 * time.Millisecond

// print looks through the streams of a run.
func (r *run) print(specs []metric.Spec, deadline time.Time) (p printedMetrics) {
	var sources []record.Metrics
	for _, name := range []record.StreamName{record.Stdout, record.Stderr} {
		s := metric.NewScanner(specs, false)
		if err := r.scan(s, name, deadline); err != nil {
			p.errs = append(p.errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		sources = append(sources, s.Metrics())
		p.unknown = append(p.unknown, s.Unknown()...)
		p.skipped += s.Skipped()
	}
	p.metrics = metric.Join(sources...)
	return p
}

// scan looks through a stream of a run that has ended, as far as it is stored.
func (r *run) scan(s *metric.Scanner, name record.StreamName, deadline time.Time) error {
	lines, stored := name.Of(r.rec)
	if stored == nil {
		return s.Read(&lineReader{lines: lines})
	}
	blobs, err := r.entry.Streams(r.rec, name)
	if err != nil {
		return err
	}
	from, err := blobs[name].Open()
	if err != nil {
		return err
	}
	return errors.Join(scanStored(s, stored, &hastyReader{from, deadline}), from.Close())
}

// scanStored looks through the stored part of a stream.
func scanStored(s *metric.Scanner, stored *record.Stream, from io.Reader) error {
	if stored.Cut == nil {
		return s.Read(from)
	}
	err := s.Read(io.LimitReader(from, stored.Cut.Offset))
	s.Gap()
	return cmp.Or(err, s.Read(from))
}

// A lineReader reads the lines of a stream that is in its record, and leaves them as they are.
type lineReader struct {
	lines []string
	rest  string // of the line before them
}

// Read implements io.Reader.
func (r *lineReader) Read(b []byte) (n int, err error) {
	for n < len(b) && len(r.rest)+len(r.lines) > 0 {
		if r.rest == "" {
			r.rest, r.lines = r.lines[0], r.lines[1:]
		}
		m := copy(b[n:], r.rest)
		r.rest = r.rest[m:]
		n += m
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A hastyReader reads until a time.
type hastyReader struct {
	io.Reader
	deadline time.Time
}

// Read implements io.Reader. After the deadline the error is context.DeadlineExceeded.
func (r *hastyReader) Read(b []byte) (int, error) {
	if time.Now().After(r.deadline) {
		return 0, context.DeadlineExceeded
	}
	return r.Reader.Read(b)
}

// fileMetrics returns the metrics of a file that the run has written, and says so if there are none.
func (r *run) fileMetrics(name string) record.Metrics {
	shown := safe.Bounded(name)
	expected := slices.Contains(r.metrics.Files, name) // else it is one of the settings, of all runs
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && !expected {
		return nil
	} else if errors.Is(err, fs.ErrNotExist) {
		r.q.Warn("there is no file %s with metrics", shown)
		return nil
	} else if err != nil {
		r.q.Warn("the file %s with metrics cannot be read: %v", shown, withoutPath(err))
		return nil
	}
	is, written := r.written(path, info)
	written = written && (!r.throughLink(path) || changedSince(path, r.began))
	if !written && !expected {
		return nil
	} else if !written {
		r.q.Warn("%s was not written by this run, so it has no metrics of it", shown)
		return nil
	}
	list, content, err := metric.ReadFile(path)
	switch sum := sha256.Sum256(content); {
	case errors.Is(err, record.ErrInvalid):
		r.q.Warn("%s: %v", shown, err)
	case errors.Is(err, regular.ErrTooLarge):
		r.q.Warn("%s has more than %d MiB, so its metrics are not read", shown, metric.LargestFile>>20)
	case err != nil:
		r.q.Warn("the file %s with metrics cannot be read: %v", shown, withoutPath(err))
	case int64(len(content)) != is.Size || is.SHA256 != "" && !is.Partial && is.SHA256 != hex.EncodeToString(sum[:]):
		r.q.Warn("%s has changed when the run had ended, so it has no metrics of it", shown)
	case !utf8.ValidString(name):
		r.q.Warn("the name of %s is not UTF-8, so its metrics are not recorded", shown)
	default:
		for i := range list {
			list[i].File = name
		}
		return list
	}
	return nil
}

// throughLink reports whether a path leads through a symbolic link below the directory of the run, which the run may have made.
func (r *run) throughLink(path string) bool {
	dir, derr := filepath.EvalSymlinks(r.dir)
	real, err := filepath.EvalSymlinks(path)
	rel, rerr := filepath.Rel(r.dir, path)
	return derr != nil || err != nil || rerr != nil || real != filepath.Join(dir, rel)
}

// changedSince reports whether a file has changed since a time, by the clock of this machine: a link to a file that was there is no file
// that a run has written.
func changedSince(path string, since time.Time) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && !time.Unix(st.Ctim.Unix()).Before(since)
}

// mostOthers is how many outputs of a run are compared with a file of another name.
const mostOthers = 1000

// written returns what the run knows of a file that it has written.
func (r *run) written(path string, info fs.FileInfo) (is record.File, ok bool) {
	if r.made == nil {
		return is, false
	}
	at := func(f record.File) string {
		if filepath.IsAbs(f.Path) {
			return f.Path
		}
		return filepath.Join(r.dir, f.Path)
	}
	for _, f := range r.made {
		if at(f) == filepath.Clean(path) {
			return f, true
		}
	}
	for _, f := range r.made[:min(len(r.made), mostOthers)] { // it may be there by another name
		if other, err := os.Stat(at(f)); err == nil && os.SameFile(other, info) {
			return f, true
		}
	}
	return is, false
}
