package slurm

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"qme/internal/span"
	"qme/record"
)

// completed is the state of a job that has ended with exit code 0.
const completed = "COMPLETED"

// ended are the states after which no other comes, as squeue(1) lists them. PREEMPTED and
// NODE_FAIL may come before a requeue, which a later row tells.
var ended = []string{completed, "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "REVOKED", "LAUNCH_FAILED"}

// started are the states of a job that does not wait any more and has not ended.
var started = []string{"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"}

// handedOn are the states in which a run of a job may end before the next one begins.
var handedOn = []string{"REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "PREEMPTED", "NODE_FAIL", "RESIZING"}

// stateWord returns the first word of a state such as "CANCELLED by 0".
func stateWord(state string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(state), " ")
	return strings.TrimRight(first, "+")
}

func isFinal(state string) bool { return slices.Contains(ended, stateWord(state)) }

// noOutput is Slurm's exit code of a job whose output it cannot open.
const noOutput = "0:53"

// notOpened is the reason of such a job.
const notOpened = "its output file could not be opened"

// code returns the return code of a job that has ended: its exit code, 128+n for signal
// n, 1 when it failed without either.
func code(state, exit string) *int {
	status, signal := exitCode(exit)
	if exit == noOutput {
		signal = 0 // no signal of Linux
	}
	rc := status
	switch {
	case signal > 0:
		rc = 128 + signal
	case status == 0 && stateWord(state) != completed:
		rc = 1
	}
	return &rc
}

// exitCode reads "STATUS:SIGNAL".
func exitCode(text string) (status, signal int) {
	a, b, _ := strings.Cut(text, ":")
	status, err := strconv.Atoi(a)
	if err != nil || status < 0 || status > 255 {
		status = 0
	}
	signal, err = strconv.Atoi(b)
	if err != nil || signal < 0 || signal > 127 {
		signal = 0
	}
	return status, signal
}

// order is the order in which states of elements become that of the job. States that are not
// listed come before all.
var order = []string{"RUNNING", "COMPLETING", "STOPPED", "SUSPENDED", "SIGNALING", "STAGE_OUT", "RESIZING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "PENDING"}

// summarise makes the state of a job from those of its elements: while one goes on, how
// that one goes; then the first that failed, or, where none has, that was cancelled.
func summarise(job *record.Job) {
	job.Final = true
	best, rank := "", len(order)+1
	for _, el := range job.Elements {
		if el.Final {
			continue
		}
		job.Final = false
		r := slices.Index(order, stateWord(el.State))
		if r < rank {
			best, rank = el.State, r
		}
	}
	if !job.Final {
		job.State = best
		return
	}
	zero := 0
	job.State, job.ReturnCode = completed, &zero
	for _, el := range job.Elements {
		if el.ReturnCode == nil || *el.ReturnCode == 0 || job.State != completed && record.CancelledState(el.State) {
			continue
		}
		job.State, job.ReturnCode, job.Reason = el.State, el.ReturnCode, el.Reason
		if !record.CancelledState(el.State) {
			return
		}
	}
}

// instant reads seconds since 1970, as SLURM_TIME_FORMAT=%s makes Slurm print times; nil
// for "Unknown" and the like.
func instant(text string) *record.Time {
	sec, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || sec <= 0 || sec > 1<<36 {
		return nil
	}
	return &record.Time{Time: time.Unix(sec, 0)}
}

// bytesOf reads a size such as "2960K" or "1.5G"; 0 when it is none.
func bytesOf(text string) int64 {
	unit := int64(1)
	if n := len(text); n > 0 {
		if i := strings.IndexByte("KMGTP", text[n-1]); i >= 0 {
			unit <<= 10 * (i + 1)
			text = text[:n-1]
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0) || v*float64(unit) > 1<<60 {
		return 0
	}
	return int64(v * float64(unit))
}

// memoryOf reads a request of memory in all, or for each node ("4Gn") or processor ("4Gc"), as
// Slurm wrote it before 21.08.
func memoryOf(text string, nodes, cpus int) int64 {
	times := 1
	switch {
	case strings.HasSuffix(text, "n"):
		times = nodes
	case strings.HasSuffix(text, "c"):
		times = cpus
	}
	n := bytesOf(strings.TrimRight(text, "nc"))
	if times < 0 || n > 1<<60/int64(max(times, 1)) {
		return 0
	}
	return n * int64(times)
}

// lengthOf reads a length of time, [DAYS-][HOURS:]MINUTES:SECONDS[.FRACTION], in seconds; 0 for
// "UNLIMITED" and the like.
func lengthOf(text string) float64 {
	whole, fraction, _ := strings.Cut(text, ".")
	d, err := span.Parse(whole)
	if err != nil {
		return 0
	}
	part, err := strconv.ParseUint("0"+fraction, 10, 32)
	if err != nil || len(fraction) > 6 {
		return d.Seconds()
	}
	return d.Seconds() + float64(part)/math.Pow10(len(fraction))
}

// seconds reads [DAYS-]HOURS:MINUTES:SECONDS; 0 when it is something else.
func seconds(text string) float64 {
	days, clock, has := strings.Cut(text, "-")
	if !has {
		days, clock = "0", text
	}
	total, err := strconv.Atoi(days)
	if err != nil || total < 0 || total > 1e6 {
		return 0
	}
	total *= 24
	parts := strings.Split(clock, ":")
	if len(parts) != 3 {
		return 0
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 1e6 {
			return 0
		}
		if i > 0 {
			total *= 60
		}
		total += n
	}
	return float64(total)
}
