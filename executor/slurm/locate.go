package slurm

import (
	"maps"
	"strings"

	"qme/record"
)

// locate says where the output of a job is: as the controller says where it was asked,
// else by the patterns of the record.
func locate(job *record.Job, rec *record.Record, parts map[string][]row) {
	before := rec.Data.Job
	user := before.Fields[userField]
	if before.Fields[openMode] != "" {
		defer func() {
			fields := map[string]string{}
			maps.Copy(fields, job.Fields)
			job.Fields = fields
			job.Fields[openMode] = before.Fields[openMode]
		}()
	}
	if len(job.Elements) == 0 || parts[job.ID+"+0"] != nil {
		id := job.ID
		if len(job.Elements) > 0 {
			id += "+0" // the batch script is of the first component
		}
		if known := before.StdoutFile != "" && before.StderrFile != "" && before.Fields[stdoutPattern] == ""; known {
			job.StdoutFile, job.StderrFile = before.StdoutFile, before.StderrFile
		} else if runs := parts[id]; len(runs) > 0 {
			r := runs[len(runs)-1]
			if r.name == "" { // the database has not heard of it
				r.name = before.Name
			}
			locateOne(job, r, user)
		}
		return
	}
	learnPatterns(job, parts)
	known := byID(before.Elements)
	for i := range job.Elements {
		el := &job.Elements[i]
		el.StdoutFile, el.StderrFile = known[el.ID].StdoutFile, known[el.ID].StderrFile
		if el.StdoutFile == "" {
			locateElement(job, el, parts, user)
		}
	}
}

func locateOne(job *record.Job, r row, user string) {
	v := values{job: r.raw, master: r.raw, element: noElement, name: r.name, user: user, node: r.node}
	if v.node == "" {
		v.node = firstNode(r.nodes)
	}
	job.Fields = places(job.Fields, r, v)
	job.StdoutFile, job.StderrFile = paths(job.Fields, v)
	if job.StdoutFile != "" && job.StderrFile != "" && !strings.Contains(job.Fields[stdoutPattern]+job.Fields[stderrPattern], "N") {
		job.Fields = map[string]string{} // nothing is left to be found out, whatever node a requeue leads to
	}
}

// places returns the patterns of where a job prints: those that are known, unless the
// controller shows others. It fills in patterns that it should not.
func places(known map[string]string, r row, v values) map[string]string {
	if r.stdout == "" {
		return known
	}
	out, errs := known[stdoutPattern], known[stderrPattern]
	if errs == "" {
		errs = out
	}
	if out != "" && shown(out, v) == r.stdout && (r.stderr == "" || shown(errs, v) == r.stderr) {
		return known
	}
	fields := map[string]string{stdoutPattern: patternOf(r.stdout, v), userField: v.user}
	if r.stderr != "" && r.stderr != r.stdout {
		fields[stderrPattern] = patternOf(r.stderr, v)
	}
	return fields
}

// paths returns the files that patterns mean, "" for one that is not known yet.
func paths(fields map[string]string, v values) (stdout, stderr string) {
	out := fields[stdoutPattern]
	if out == "" {
		return "", ""
	}
	if path, ok := expand(out, v); ok {
		stdout = path
	}
	errs, apart := fields[stderrPattern]
	if !apart {
		return stdout, stdout
	}
	if path, ok := expand(errs, v); ok {
		stderr = path
	}
	return stdout, stderr
}

// learnPatterns compares the patterns of an array with the controller's answer about elements
// that wait. The controller fills in the number of the whole array where each element has
// another, so that a pattern that fits is worth more.
func learnPatterns(job *record.Job, parts map[string][]row) {
	for id, runs := range parts {
		r := runs[len(runs)-1]
		if r.stdout == "" || len(elements(id)) == 1 && elements(id)[0] == id {
			continue
		}
		v := values{job: r.raw, master: job.ID, element: noElement, name: r.name, user: job.Fields[userField], node: "%N"}
		fields := places(job.Fields, r, v)
		if fields[stdoutPattern] == job.Fields[stdoutPattern] && fields[stderrPattern] == job.Fields[stderrPattern] {
			return
		}
		fields[stdoutPattern] = template(fields[stdoutPattern])
		if errs, apart := fields[stderrPattern]; apart {
			fields[stderrPattern] = template(errs)
		}
		job.Fields = fields
		return
	}
}

func locateElement(job *record.Job, el *record.JobElement, parts map[string][]row, user string) {
	v := values{master: job.ID, element: element(el.ID), name: job.Name, user: user, node: firstNode(el.Nodes)}
	fields := job.Fields
	if runs := parts[el.ID]; len(runs) > 0 {
		r := runs[len(runs)-1]
		v.job = r.raw
		fields = places(fields, r, v)
	}
	el.StdoutFile, el.StderrFile = paths(fields, v)
}
