package slurm

import (
	"maps"
	"slices"
	"strings"
	"time"

	"qme/record"
)

// How long after a job's end its steps are waited for: those that run, for its output may
// still grow, and those that sacct has not heard of, for they tell its memory.
const (
	settling = 2 * time.Minute
	noticing = 10 * time.Second
)

// endedWithin reports whether a job ended less than so long ago. The clock of another machine
// may differ either way.
func endedWithin(job *record.Job, d time.Duration) bool {
	return job.Ended != nil && time.Since(job.Ended.Time).Abs() < d
}

// apply adds the facts of the steps: memory, processor time, the signal that ended the script, and whether one
// still runs.
func apply(job, before *record.Job, steps map[string]used) {
	if !anyFinal(job) {
		return
	}
	running, late := false, false
	known := byID(before.Elements)
	one := func(id, state, nodes string, rc **int) int64 {
		u, there := steps[id]
		running = running || u.running
		late = late || !there && nodes != "" && !strings.Contains(id, "+")
		if status, signal := exitCode(u.exit); *rc != nil && **rc == 1 && stateWord(state) != "FAILED" && status+signal > 0 {
			*rc = code(state, u.exit)
		}
		job.CPUTime += u.cpu
		return u.maxRSS
	}
	if len(job.Elements) == 0 {
		job.MaxRSS = one(job.ID, job.State, job.Nodes, &job.ReturnCode)
		if before.Final && before.ReturnCode != nil && job.State == before.State && !job.Again(before) {
			job.ReturnCode = before.ReturnCode // it was known better then
		}
	}
	for i := range job.Elements {
		el := &job.Elements[i]
		el.MaxRSS = one(el.ID, el.State, el.Nodes, &el.ReturnCode)
		if old := known[el.ID]; old.Final && old.ReturnCode != nil && old.State == el.State && !job.Again(before) {
			el.ReturnCode = old.ReturnCode
		}
		job.MaxRSS = max(job.MaxRSS, el.MaxRSS)
	}
	if len(job.Elements) > 0 {
		summarise(job)
	}
	if job.Final && !before.Final && (running && endedWithin(job, settling) || late && endedWithin(job, noticing)) {
		job.Final, job.ReturnCode = false, nil
	}
}

// build makes the job from the answers about its parts.
func build(rec *record.Record, parts map[string][]row, source string) *record.Job {
	before := rec.Data.Job
	job := &record.Job{ID: before.ID, Cluster: before.Cluster, Source: source, Fields: maps.Clone(before.Fields)}
	var all []row
	for _, id := range slices.SortedFunc(maps.Keys(parts), byPart) {
		runs := parts[id]
		all = append(all, runs[len(runs)-1])
		if job.Submitted == nil || compareTimes(runs[0].submit, job.Submitted) < 0 {
			job.Submitted = runs[0].submit
		}
		if len(parts) == 1 {
			job.History = earlier(runs)
		}
	}
	if before.Submitted != nil {
		job.Submitted = before.Submitted
	}
	job.Name, job.Partition = strings.ToValidUTF8(all[0].name, "\uFFFD"), all[0].partition
	if len(all) == 1 && all[0].id == before.ID {
		single(job, all[0])
	} else {
		several(job, all)
	}
	return job
}

// earlier returns how the runs before the last one ended.
func earlier(runs []row) []record.JobState {
	var states []record.JobState
	for _, r := range runs[:len(runs)-1] {
		if at := r.end; at != nil {
			states = append(states, record.JobState{State: stateWord(r.state), At: *at})
		}
	}
	return states
}

func single(job *record.Job, r row) {
	job.State, job.Final = stateWord(r.state), isFinal(r.state)
	job.Started, job.Elapsed, job.CPUs, job.Nodes, job.Reason = r.start, r.elapsed, r.cpus, r.nodes, because(r)
	job.RequestedMemory, job.TimeLimit = r.memory, r.limit
	if job.Final {
		job.ReturnCode, job.Ended = code(r.state, r.exit), r.end
	}
}

// because says why a job waits or ended. The reason for which a job waited before it started
// is left out.
func because(r row) string {
	_, by, cancelled := strings.Cut(r.state, "CANCELLED by ")
	switch {
	case cancelled:
		return "cancelled by uid " + by
	case r.exit == noOutput && isFinal(r.state):
		return notOpened
	case stateWord(r.state) == "PENDING", isFinal(r.state) && r.controller:
		return r.reason
	}
	return ""
}

// nodesMost is how many different lists of nodes an array shows of its elements.
const nodesMost = 20

// several fills in a job that has elements: an array or a heterogeneous job.
func several(job *record.Job, all []row) {
	listed := map[string]bool{}
	for _, r := range all {
		listed[r.id] = true
	}
	var nodes []string
	for _, r := range all {
		for _, id := range elements(r.id) {
			if id != r.id && listed[id] {
				continue // it has started and has a row of its own, or two groups hold it
			}
			listed[id] = true
			job.Elements = append(job.Elements, elementOf(id, r))
		}
		if r.start != nil && (job.Started == nil || r.start.Before(job.Started.Time)) {
			job.Started = r.start
		}
		if r.end != nil && (job.Ended == nil || r.end.After(job.Ended.Time)) {
			job.Ended = r.end
		}
		job.Elapsed, job.TimeLimit = max(job.Elapsed, r.elapsed), max(job.TimeLimit, r.limit)
		if strings.Contains(r.id, "+") && r.nodes != "" {
			nodes = append(nodes, r.nodes)
			job.CPUs += r.cpus
			job.RequestedMemory += r.memory
		} else {
			job.CPUs, job.RequestedMemory = max(job.CPUs, r.cpus), max(job.RequestedMemory, r.memory)
			if r.nodes != "" && !slices.Contains(nodes, r.nodes) && len(nodes) < nodesMost {
				nodes = append(nodes, r.nodes)
			}
		}
	}
	job.Nodes = strings.Join(nodes, ",")
	if summarise(job); !job.Final {
		job.Ended = nil
		if stateWord(job.State) == "PENDING" {
			job.Reason = all[0].reason
		}
	}
}

func elementOf(id string, r row) record.JobElement {
	el := record.JobElement{ID: id, State: stateWord(r.state), Final: isFinal(r.state), Elapsed: r.elapsed, Nodes: r.nodes, Reason: because(r)}
	if el.Final {
		el.ReturnCode = code(r.state, r.exit)
	}
	return el
}

// byPart sorts the ids of parts by their numbers.
func byPart(a, b string) int {
	key := func(id string) (n int) {
		_, rest, _ := strings.Cut(strings.ReplaceAll(id, "+", "_"), "_")
		rest = strings.TrimPrefix(rest, "[")
		for _, c := range []byte(rest) {
			if c < '0' || c > '9' || n > 1<<40 {
				break
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	if d := key(a) - key(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// keepProgress undoes steps back: sacct may say that a job waits after the controller has said
// that it runs. A requeue is another run, and no step back.
func keepProgress(job, before *record.Job, parts map[string][]row) {
	back := func(id, state, known string, final bool) bool {
		runs := parts[id]
		late := len(runs) == 0 || len(runs) == 1 && !runs[0].controller
		return late && state == "PENDING" && !final && slices.Contains(started, known)
	}
	if len(job.Elements) == 0 {
		if back(job.ID, job.State, before.State, before.Final) {
			job.State, job.Started, job.Nodes, job.Reason = before.State, before.Started, before.Nodes, before.Reason
		}
		return
	}
	known := byID(before.Elements)
	for i, el := range job.Elements {
		if old := known[el.ID]; back(el.ID, el.State, old.State, old.Final) {
			job.Elements[i] = old
		}
	}
	summarise(job)
}

func byID(elements []record.JobElement) map[string]record.JobElement {
	m := make(map[string]record.JobElement, len(elements))
	for _, el := range elements {
		m[el.ID] = el
	}
	return m
}

// absent returns the elements that were known before and of which an answer says
// nothing.
func absent(job, before *record.Job) []record.JobElement {
	there := byID(job.Elements)
	var list []record.JobElement
	for _, el := range before.Elements {
		if _, ok := there[el.ID]; !ok && !strings.HasSuffix(el.ID, "]") {
			list = append(list, el)
		}
	}
	return list
}

// listedNoMore is the reason of an element of which Slurm says nothing any more.
const listedNoMore = "Slurm lists it no more"

// keepElements keeps the elements of an array that Slurm does not list any more. Those that have
// ended stay as they were. Others get the state vanished, or stay as they were where it is "";
// CANCELLED is only for those that had not started.
func keepElements(job, before *record.Job, vanished string) {
	missing := absent(job, before)
	if len(missing) == 0 {
		return
	}
	for _, el := range missing {
		if !el.Final && (vanished == unknownState || vanished != "" && el.Nodes == "") {
			el.State, el.Final, el.Reason = vanished, true, listedNoMore
			if vanished != unknownState {
				el.ReturnCode = new(int)
				*el.ReturnCode = 1
			}
		}
		job.Elements = append(job.Elements, el)
	}
	slices.SortStableFunc(job.Elements, func(a, b record.JobElement) int { return byPart(a.ID, b.ID) })
	summarise(job)
}
