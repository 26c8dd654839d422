package slurm

import (
	"context"
	"strconv"
	"strings"
)

// separator stands between the fields of sacct's answers; the names of jobs have spaces
// and bars.
const separator = "\x1f"

// The columns of a job. Those after the name hold neither newlines nor separators.
const (
	columns   = "JobID,JobIDRaw,JobName,Partition,State,ExitCode,Submit,Start,End,ElapsedRaw,AllocCPUS,NodeList,Reason,ReqMem,NNodes,Timelimit"
	fields    = 16
	nameField = 2
)

// accounting asks sacct about jobs of a cluster, requeued ones with their earlier runs.
func accounting(ctx context.Context, a asker, cluster string, ids []string) ([]row, error) {
	args := append(onCluster(cluster), "--allocations", "--duplicates", "--parsable2", "--noheader", "--delimiter="+separator,
		"--format="+columns, "--jobs="+strings.Join(ids, ","))
	out, err := a.ask(ctx, "sacct", args...)
	if err != nil {
		return nil, err
	}
	return readAccounting(string(out)), nil
}

func readAccounting(text string) []row {
	var rows []row
	for _, f := range table(text, fields, nameField) {
		elapsed, err := strconv.ParseFloat(f[9], 64)
		if err != nil || !(elapsed >= 0) {
			elapsed = 0
		}
		rows = append(rows, row{id: f[0], raw: f[1], name: f[2], partition: f[3], state: f[4], exit: f[5],
			submit: instant(f[6]), start: instant(f[7]), end: instant(f[8]), elapsed: elapsed, cpus: count(f[10]),
			nodes: known(f[11]), reason: known(f[12]),
			memory: memoryOf(f[13], count(f[14]), count(f[10])), limit: lengthOf(f[15])})
		if r := &rows[len(rows)-1]; r.name == "allocation" && r.partition == "" {
			r.name = "" // the database has heard of its end before its beginning
		}
	}
	return rows
}

// known returns text, "" for the words that Slurm prints for no value.
func known(text string) string {
	switch text {
	case "None", "None assigned", "(null)", "N/A", "Unknown":
		return ""
	}
	return text
}

// table splits rows of n fields, of which the first is an id. The field free may hold
// newlines, and separators. Lines before a row are none of it: a site's wrapper may greet.
func table(text string, n, free int) [][]string {
	var rows [][]string
	var row strings.Builder
	have := 0
	for line := range strings.Lines(text) {
		if id, _, _ := strings.Cut(strings.TrimRight(line, "\n"), separator); have == 0 && !isRow(id) {
			continue
		}
		row.WriteString(line)
		if have += strings.Count(line, separator); have < n-1 {
			continue
		}
		f := strings.Split(strings.TrimSuffix(row.String(), "\n"), separator)
		row.Reset()
		have = 0
		if more := len(f) - n; more > 0 {
			joined := strings.Join(f[free:free+more+1], separator)
			f = append(append(append([]string(nil), f[:free]...), joined), f[free+more+1:]...)
		}
		rows = append(rows, f)
	}
	return rows
}

// isRow reports whether text is the id of a job, a part or a step of one.
func isRow(text string) bool {
	id, _, _ := strings.Cut(text, ".")
	return isPart(id)
}

// A used has the facts of the steps of a part of a job.
type used struct {
	maxRSS  int64
	cpu     float64 // seconds, of all of them
	running bool    // one of them has not ended
	exit    string  // of the batch script
}

const (
	stepColumns = "JobID,State,ExitCode,MaxRSS,TotalCPU"
	stepFields  = 5
)

// steps asks sacct about the steps of jobs, by the ids of the parts.
func steps(ctx context.Context, a asker, cluster string, ids []string) (map[string]used, error) {
	args := append(onCluster(cluster), "--parsable2", "--noheader", "--delimiter="+separator, "--format="+stepColumns, "--jobs="+strings.Join(ids, ","))
	out, err := a.ask(ctx, "sacct", args...)
	if err != nil {
		return nil, err
	}
	return readSteps(string(out)), nil
}

func readSteps(text string) map[string]used {
	all := map[string]used{}
	for _, f := range table(text, stepFields, 1) {
		id, step, ok := strings.Cut(f[0], ".")
		if !ok {
			continue
		}
		u := all[id]
		u.maxRSS = max(u.maxRSS, bytesOf(f[3]))
		u.cpu += lengthOf(f[4])
		u.running = u.running || !isFinal(f[1])
		if step == "batch" {
			u.exit = f[2]
		}
		all[id] = u
	}
	return all
}
