package compare

import (
	"path/filepath"
	"slices"
	"time"

	"qme/record"
)

// Facts are what is known of a run, from which follows what in its output comes from itself. What is
// zero is not known, and nothing is taken for it.
type Facts struct {
	// Begin and End are the moments between which the run took place. Their zones are those in which
	// it may print times that have none; UTC is another one.
	Begin, End time.Time
	Duration   time.Duration // wall time
	Processor  time.Duration // processor time of all its processes together
	PIDs       []int         // its processes; the same place in both runs is the same process
	IDs        []string      // what names it, as QME_RUN does; the same place in both runs is the same kind
	Directory  string        // where it ran, absolute
	Host       string
	Temporary  []string // its folders for temporary files, besides those of the system
}

// FactsOf returns the facts of a run of this format that has ended. For the output of a job, the run
// lasts from the beginning of its command to the end of the job.
func FactsOf(r *record.Record) Facts {
	d := &r.Data
	f := Facts{Begin: d.Timestamp.Time, Duration: seconds(d.Duration), Directory: d.PWD, Host: d.Host, IDs: []string{string(d.RunID)}}
	if d.Finished != nil {
		f.End = d.Finished.Time
	}
	if d.PID > 0 {
		f.PIDs = []int{d.PID}
	}
	if u := d.Usage; u != nil {
		f.Processor = seconds(u.User + u.System)
	}
	if j := d.Job; j != nil {
		f.IDs = append(f.IDs, j.ID)
		f.Duration, f.Processor = max(f.Duration, seconds(j.Elapsed)), max(f.Processor, seconds(j.CPUTime))
		if j.Ended != nil && j.Ended.After(f.End) {
			f.End = j.Ended.Time
		}
	}
	if dir := d.Env["TMPDIR"]; filepath.IsAbs(dir) && filepath.Clean(dir) != "/" {
		f.Temporary = []string{filepath.Clean(dir)}
	}
	return f
}

// seconds converts a number of seconds in a record. What no run can have taken is not known.
func seconds(s float64) time.Duration {
	const century = 100 * 366 * 24 * 3600
	if !(s > 0 && s < century) {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// temporaryFolders are where programs make temporary files unless they are told otherwise.
var temporaryFolders = []string{"/tmp", "/var/tmp", "/dev/shm", "/run/user", "/var/folders", "/private/tmp", "/private/var/tmp", "/private/var/folders"}

// folders returns the folders for temporary files of the run.
func (f *Facts) folders() []string {
	return slices.Concat(temporaryFolders, f.Temporary)
}
