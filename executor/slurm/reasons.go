package slurm

import (
	"context"
	"slices"
	"strings"

	"qme/record"
)

// explain asks the controller why jobs wait, once for all of them: the database is not told
// of later reasons. Without an answer the known ones stay. It notes which jobs can never
// start.
func (q *inquiry) explain(ctx context.Context) {
	waiting := slices.DeleteFunc(slices.Clone(q.subjects), func(s *subject) bool { return s.answer.Err != nil || !waits(s.answer.Job) })
	stale := slices.DeleteFunc(slices.Clone(waiting), func(s *subject) bool { return s.answer.Job.Source == "scontrol" })
	if len(stale) > 0 {
		if reasons, err := q.reasons(ctx, ids(stale)); err == nil {
			for _, s := range stale {
				reasons.fillIn(s.answer.Job)
			}
		}
	}
	for _, s := range waiting {
		s.answer.Never = neverStarts(s.answer.Job)
	}
}

// waits reports whether a job waits, or a part of it.
func waits(job *record.Job) bool {
	return job != nil && !job.Final && (stateWord(job.State) == "PENDING" ||
		slices.ContainsFunc(job.Elements, func(el record.JobElement) bool { return stateWord(el.State) == "PENDING" }))
}

// reasons is why jobs, and parts of jobs, wait, by their ids.
type reasons map[string]string

// reasons asks squeue.
func (q *inquiry) reasons(ctx context.Context, ids []string) (reasons, error) {
	out, err := q.ask(ctx, "squeue", append(onCluster(q.cluster), "--noheader", "--format=%i|%r", "--jobs="+strings.Join(ids, ","))...)
	if refused(err, "invalid job id") { // none of them is there any more
		return nil, nil
	}
	return readReasons(string(out)), err
}

func readReasons(text string) reasons {
	all := reasons{}
	for line := range strings.Lines(text) {
		id, why, ok := strings.Cut(strings.TrimRight(line, " \r\n"), "|")
		if !ok || !isPart(id) {
			continue // the greeting of a site's wrapper
		}
		why = withoutNodes(known(why))
		all[id] = why
		for _, part := range elements(id) {
			all[part] = why
		}
		if _, there := all[base(id)]; !there {
			all[base(id)] = why
		}
	}
	return all
}

// withoutNodes leaves out of a reason which nodes it is about: the list may be long, and changes.
func withoutNodes(why string) string {
	if kind, _, ok := strings.Cut(why, ","); ok && kind == "ReqNodeNotAvail" {
		return kind
	}
	return why
}

// fillIn puts the reasons into a job. Parts without one do not wait any more.
func (r reasons) fillIn(job *record.Job) {
	if stateWord(job.State) == "PENDING" {
		if why, ok := r[job.ID]; ok {
			job.Reason = why
		} else if why, ok := r[whole(job.ID)]; ok { // one of very many
			job.Reason = why
		}
	}
	for i := range job.Elements {
		el := &job.Elements[i]
		if stateWord(el.State) != "PENDING" {
			continue
		}
		if why, ok := r[el.ID]; ok {
			el.Reason = why
		} else if why, ok := r[job.ID]; ok && strings.HasSuffix(el.ID, "]") {
			el.Reason = why
		}
	}
}

// never are the reasons for which a job waits that waiting does not mend (squeue(1), "JOB
// REASON CODES"): it asks for resources that do not exist or are not allowed. Others may
// change: a partition or a node that is down comes back, a limit of running jobs is not
// reached any more, a job that is held is released.
var never = []string{"DependencyNeverSatisfied", "BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed",
	"PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "MaxNodePerJob"}

// isNever reports whether it is one of them, or a limit of a single job, such as
// AssocMaxCpuPerJobLimit and QOSMaxWallDurationPerJobLimit.
func isNever(reason string) bool {
	return slices.Contains(never, reason) || strings.HasSuffix(reason, "PerJobLimit")
}

// neverStarts returns why a job will never start, "" when it has or may.
func neverStarts(job *record.Job) string {
	if len(job.Elements) == 0 {
		if stateWord(job.State) == "PENDING" && isNever(job.Reason) {
			return job.Reason
		}
		return ""
	}
	why := ""
	for _, el := range job.Elements {
		switch {
		case el.Final:
		case stateWord(el.State) != "PENDING" || !isNever(el.Reason):
			return ""
		default:
			why = el.Reason
		}
	}
	return why
}

// isPart reports whether text is the id of a job, or of a part or a group of parts of one.
func isPart(text string) bool {
	if !isNumber(base(text)) {
		return false
	}
	rest := text[len(base(text)):]
	return rest == "" || strings.HasPrefix(rest, "_") && strings.Trim(rest[1:], "0123456789[]-,:%") == "" || rest[0] == '+' && isNumber(rest[1:])
}
