package slurm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
)

// CheckFormat refuses text that is no list of sacct's fields. The error wraps
// record.ErrInvalid.
func CheckFormat(text string) error {
	for field := range strings.SplitSeq(text, ",") {
		if !isField(field) {
			return fmt.Errorf("%q is not a list of fields such as %s (\"sacct --helpformat\" lists them): %w", text, DefaultFormat, record.ErrInvalid)
		}
	}
	return nil
}

// isField reports whether text is a name, maybe with "%" and a width after it.
func isField(text string) bool {
	name, width, wide := strings.Cut(text, "%")
	if wide && !isNumber(strings.TrimPrefix(width, "-")) {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return name != ""
}

// names returns the fields of a format without their widths, which mean nothing where a
// separator stands between them.
func names(format string) []string {
	var list []string
	for field := range strings.SplitSeq(format, ",") {
		field, _, _ = strings.Cut(field, "%")
		list = append(list, field)
	}
	return list
}

// status is the action of that name.
func (e *Executor) status(ctx context.Context, c *executor.Call) error {
	if err := CheckFormat(e.format); err != nil {
		return err
	}
	rec, err := e.withJob(c.Record)
	if err != nil {
		return err
	}
	// Whose job it is, and whether it is the one that was meant, is asked first.
	now := rec
	if !c.Fresh {
		if now, err = executor.Refreshed(ctx, e, rec); err != nil {
			return err
		}
	}
	index := c.Options["element"]
	if index != "" {
		if _, err := elementAt(now.Data.Job, index); err != nil {
			return err
		}
	}
	rows, err := e.formatted(ctx, now.Data.Job, c.Switch("all"))
	if err == nil {
		rows = onlyElement(rows, now.Data.Job.ID, index)
		if alone := element(now.Data.Job.ID); alone != "" {
			rows = onlyElement(rows, base(now.Data.Job.ID), alone)
		}
	}
	if err == nil && len(rows) > 0 && now.Data.Job.State != unknownState {
		correct(rows, names(e.format), now.Data.Job)
		return printRows(c.Out, names(e.format), rows)
	}
	if err != nil && errors.Is(err, context.Canceled) {
		return err
	}
	why := "sacct does not know it so far"
	if err != nil {
		why = safe.Line(err.Error())
	}
	if _, err := fmt.Fprintf(c.Err, "This is from scontrol: %s.\n", why); err != nil {
		return err
	}
	return printRows(c.Out, names(e.format), fromJob(now.Data.Job, e.exits(ctx, now.Data.Job), names(e.format), index))
}

// exits returns the exit codes of the parts of a job as the controller writes them, as far as
// it remembers them: a return code alone does not tell whether it was a signal.
func (e *Executor) exits(ctx context.Context, job *record.Job) map[string]string {
	exits := map[string]string{}
	rows, err := controller(ctx, e, job.Cluster, []string{job.ID})
	if err != nil {
		return exits
	}
	for _, r := range rows {
		exits[r.id] = r.exit
	}
	return exits
}

// correct puts right the exit codes of rows of sacct, which drops the highest bit of those
// above 127: the job has the true ones.
func correct(rows [][]string, names []string, job *record.Job) {
	i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, "ExitCode") })
	if i < 0 {
		return
	}
	codes := map[string]*int{job.ID: job.ReturnCode}
	for _, el := range job.Elements {
		codes[el.ID] = el.ReturnCode
	}
	for _, r := range rows {
		status, signal := exitCode(r[i+1])
		id, step, isStep := strings.Cut(r[0], ".")
		if rc := codes[id]; rc != nil && (!isStep || step == "batch") && signal == 0 && *rc == status+128 {
			r[i+1] = strconv.Itoa(*rc) + ":0"
		}
	}
}

// lastSignal is the highest number of a signal of Linux.
const lastSignal = 64

// formatted asks sacct for the fields of the format. The first field of a row is its id.
func (e *Executor) formatted(ctx context.Context, job *record.Job, steps bool) ([][]string, error) {
	list := names(e.format)
	args := append(onCluster(job.Cluster), "--parsable2", "--noheader", "--delimiter="+separator,
		"--format=JobID,"+strings.Join(list, ",")+",JobIDRaw", "--jobs="+job.ID)
	if !steps {
		args = append(args, "--allocations")
	}
	out, err := e.askWith(ctx, localTimes, "sacct", args...)
	if err != nil {
		return nil, err
	}
	free := 1
	for i, name := range list {
		if strings.EqualFold(name, "JobName") {
			free = i + 1
		}
	}
	return table(string(out), len(list)+2, free), nil
}

func onlyElement(rows [][]string, id, index string) [][]string {
	if index == "" {
		return rows
	}
	var kept [][]string
	for _, r := range rows {
		part, _, _ := strings.Cut(r[0], ".")
		for _, expanded := range elements(part) {
			if isElement(expanded, id, index) {
				kept = append(kept, r)
				break
			}
		}
	}
	return kept
}

// printRows prints each row as a JSON object, without the id that begins it.
func printRows(w io.Writer, names []string, rows [][]string) error {
	for _, r := range rows {
		var b strings.Builder
		for i, name := range names {
			key, kerr := json.Marshal(strings.ToLower(name))
			value, verr := json.Marshal(strings.ToValidUTF8(r[i+1], "\uFFFD"))
			if err := errors.Join(kerr, verr); err != nil {
				return err
			}
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%s: %s", key, value)
		}
		if _, err := io.WriteString(w, "{"+string(safe.JSON([]byte(b.String())))+"}\n"); err != nil {
			return err
		}
	}
	return nil
}

// fromJob makes rows of a job without sacct. Fields that are not known are empty. exits are the
// exit codes that are known, by id.
func fromJob(job *record.Job, exits map[string]string, names []string, index string) [][]string {
	one := func(id, state string, rc *int, elapsed float64, nodes, reason string) []string {
		values := map[string]string{"jobid": id, "jobidraw": id, "jobname": job.Name, "partition": job.Partition, "alloccpus": strconv.Itoa(job.CPUs),
			"ncpus": strconv.Itoa(job.CPUs), "state": state, "nodelist": nodes, "reason": reason, "elapsed": clock(elapsed), "cluster": job.Cluster,
			"elapsedraw": strconv.Itoa(int(elapsed)), "exitcode": exitText(rc, exits[id]), "submit": moment(job.Submitted), "start": moment(job.Started), "end": moment(job.Ended)}
		row := []string{id}
		for _, name := range names {
			row = append(row, values[strings.ToLower(name)])
		}
		return row
	}
	if len(job.Elements) == 0 {
		return [][]string{one(job.ID, job.State, job.ReturnCode, job.Elapsed, job.Nodes, job.Reason)}
	}
	var rows [][]string
	for _, el := range job.Elements {
		if index == "" || isElement(el.ID, job.ID, index) {
			rows = append(rows, one(el.ID, el.State, el.ReturnCode, el.Elapsed, el.Nodes, el.Reason))
		}
	}
	return rows
}

// clock writes seconds as Slurm does.
func clock(elapsed float64) string {
	s := int(elapsed)
	text := fmt.Sprintf("%02d:%02d:%02d", s/3600%24, s/60%60, s%60)
	if days := s / 86400; days > 0 {
		text = strconv.Itoa(days) + "-" + text
	}
	return text
}

// exitText writes a return code as Slurm does, "0:0" while there is none: as said, where that
// is known, else taken for a signal where it may be one.
func exitText(rc *int, said string) string {
	switch {
	case rc == nil:
		return "0:0"
	case said != "" && *code("", said) == *rc:
		return said
	case *rc > 128 && *rc <= 128+lastSignal:
		return "0:" + strconv.Itoa(*rc-128)
	}
	return strconv.Itoa(*rc) + ":0"
}

func moment(t *record.Time) string {
	if t == nil {
		return "Unknown"
	}
	return t.In(time.Local).Format("2006-01-02T15:04:05")
}
