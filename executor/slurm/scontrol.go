package slurm

import (
	"cmp"
	"context"
	"strings"
)

// fewJobs is how many jobs the controller is asked about one by one; for more it is
// asked once for all that it knows.
const fewJobs = 10

// controller asks scontrol about jobs of a cluster. Jobs that it does not know are no
// error.
func controller(ctx context.Context, a asker, cluster string, ids []string) ([]row, error) {
	if len(ids) > fewJobs {
		out, err := a.ask(ctx, "scontrol", append(onCluster(cluster), "--oneliner", "show", "job")...)
		if err != nil {
			return nil, err
		}
		return readController(string(out)), nil
	}
	var rows []row
	for _, id := range ids {
		out, err := a.ask(ctx, "scontrol", append(onCluster(cluster), "--oneliner", "show", "job", id)...)
		switch {
		case refused(err, "invalid job id"):
		case err != nil:
			return nil, err
		default:
			rows = append(rows, readController(string(out))...)
		}
	}
	return rows, nil
}

// readController reads jobs. Each begins a line; names may hold newlines.
func readController(text string) []row {
	var rows []row
	var job strings.Builder
	flush := func() {
		if job.Len() > 0 {
			rows = append(rows, readJob(job.String()))
			job.Reset()
		}
	}
	for line := range strings.Lines(text) {
		id, _, _ := strings.Cut(strings.TrimPrefix(line, "JobId="), " ")
		begins := strings.HasPrefix(line, "JobId=") && isNumber(id)
		if begins {
			flush()
		}
		if begins || job.Len() > 0 {
			job.WriteString(line)
		}
	}
	flush()
	return rows
}

// afterName, afterErr and afterOut are the keys that may follow a value of any text.
var (
	afterName = []string{" UserId=", " HetJobIdSet="}
	afterErr  = []string{" StdIn="}
	afterOut  = []string{" Switches=", " TresPer", " CpusPerTres=", " MemPerTres=", " MemPerCpu=", " TresBind=", " TresFreq=", " NtasksPerTRES", " Power=", " MailUser=", " MailType=", " Batch="}
)

func readJob(text string) row {
	text = strings.TrimRight(text, " \n")
	name, rest := "", text
	if i := strings.Index(text, " JobName="); i >= 0 {
		name = cutAt(text[i+len(" JobName="):], afterName)
		rest = text[:i] + text[i+len(" JobName=")+len(name):]
	}
	tokens := map[string]string{}
	for token := range strings.FieldsSeq(rest) {
		key, value, ok := strings.Cut(token, "=")
		if _, seen := tokens[key]; ok && !seen {
			tokens[key] = value
		}
	}
	r := row{limit: lengthOf(tokens["TimeLimit"]), memory: memoryIn(cmp.Or(tokens["ReqTRES"], tokens["TRES"])), raw: tokens["JobId"], name: name, partition: known(tokens["Partition"]), state: tokens["JobState"], exit: tokens["ExitCode"],
		submit: instant(tokens["SubmitTime"]), start: instant(tokens["StartTime"]), end: instant(tokens["EndTime"]),
		elapsed: seconds(tokens["RunTime"]), cpus: count(tokens["NumCPUs"]), nodes: known(tokens["NodeList"]), reason: known(tokens["Reason"]),
		restarts: count(tokens["Restarts"]), controller: true, node: known(tokens["BatchHost"]),
		stdout: valueAfter(rest, " StdOut=", afterOut), stderr: valueAfter(rest, " StdErr=", afterErr)}
	if r.state == "PENDING" { // when it is expected to start
		r.start, r.end = nil, nil
	}
	r.id = partID(tokens)
	return r
}

// memoryIn returns the memory in a list of resources, such as "cpu=1,mem=50M,node=1".
func memoryIn(resources string) int64 {
	for one := range strings.SplitSeq(resources, ",") {
		if size, is := strings.CutPrefix(one, "mem="); is {
			return bytesOf(size)
		}
	}
	return 0
}

// partID returns the id as sacct writes it.
func partID(tokens map[string]string) string {
	array, index := tokens["ArrayJobId"], tokens["ArrayTaskId"]
	switch {
	case tokens["HetJobId"] != "":
		return tokens["HetJobId"] + "+" + tokens["HetJobOffset"]
	case array == "" || index == "":
		return tokens["JobId"]
	case strings.ContainsAny(index, "-,%:"):
		return array + "_[" + index + "]"
	}
	return array + "_" + index
}

// valueAfter returns the value of the last such key, up to one of the keys that may follow.
func valueAfter(text, key string, next []string) string {
	i := strings.LastIndex(text, key)
	if i < 0 {
		return ""
	}
	return known(cutAt(text[i+len(key):], next))
}

// cutAt returns the text before the first of several.
func cutAt(text string, ends []string) string {
	end := len(text)
	for _, e := range ends {
		if i := strings.Index(text, e); i >= 0 {
			end = min(end, i)
		}
	}
	return text[:end]
}
