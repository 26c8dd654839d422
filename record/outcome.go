package record

import (
	"slices"
	"strings"
)

// An Outcome is the result of a run including the job that it has started. Listings, searches
// and the dashboard filter by it. Each run has exactly one.
type Outcome int

const (
	// Goes means that the command is running, or its job has begun and has not ended.
	Goes Outcome = iota
	// Queued means that the task waits in the queue (see Record.IsQueued), or that the command has ended
	// and its job has not begun: see Job.Queued.
	Queued
	// OK means that the run has ended by itself with return code 0.
	OK
	// Failed means that the run has ended by itself with another return code.
	Failed
	// Stopped means that the run or its job was cancelled, whatever the return code.
	Stopped
	// Unknown means that the end of the run is not known, as for an old job that no scheduler
	// remembers.
	Unknown
)

// OutcomeCount is the number of outcomes.
const OutcomeCount = int(Unknown) + 1

// outcomeNames are the names of the outcomes, in the order of their values.
var outcomeNames = [OutcomeCount]string{"running", "queued", "ok", "failed", "cancelled", "unknown"}

// String returns the name of the outcome.
func (o Outcome) String() string { return outcomeNames[o] }

// OutcomeNames returns the names of all outcomes, in the order of their values.
func OutcomeNames() []string { return slices.Clone(outcomeNames[:]) }

// ParseOutcome returns the outcome for a name as returned by String, for "succeeded" or
// "success", which mean OK, or for "canceled", which means Stopped.
func ParseOutcome(word string) (Outcome, bool) {
	switch word {
	case "succeeded", "success":
		return OK, true
	case "canceled":
		return Stopped, true
	}
	i := slices.Index(outcomeNames[:], word)
	return Outcome(max(i, 0)), i >= 0
}

// Outcome returns the outcome of the run.
func (r *Record) Outcome() Outcome {
	code, job := r.Code(), r.Data.Job
	return OutcomeOf(r.Active(), job.Queued() || r.IsQueued(), job.Cancelled(), r.Data.Status, code != nil, code != nil && *code == 0)
}

// OutcomeOf is Record.Outcome for a caller that has only these values. jobQueued and
// jobCancelled are the results of Job.Queued and Job.Cancelled.
func OutcomeOf(active, jobQueued, jobCancelled bool, status Status, hasCode, isZero bool) Outcome {
	switch {
	case active && jobQueued && status != Running:
		return Queued
	case active:
		return Goes
	case status == Cancelled || jobCancelled:
		return Stopped
	case status == Complete && hasCode && isZero:
		return OK
	case status == Complete && hasCode:
		return Failed
	}
	return Unknown
}

// endedByItself reports whether a run with this status and outcome has ended, including its
// job, and was not cancelled. The return code does not matter.
func (o Outcome) endedByItself(status Status) bool {
	return status == Complete && o != Goes && o != Queued && o != Stopped
}

// Outcomes is a set of runs, chosen by words such as "failed". The zero value holds none. Sets
// are joined by |.
type Outcomes uint16

const (
	// endedOnes holds the runs that ended by themselves: a part of those that are Unknown, too.
	endedOnes Outcomes = 1 << OutcomeCount
	// ActiveOnes holds the runs that have not ended.
	ActiveOnes = Outcomes(1<<Goes | 1<<Queued)
	// InactiveOnes holds all other runs.
	InactiveOnes = Outcomes(1<<OutcomeCount-1) &^ ActiveOnes
	// FailedOnes holds the runs that are Failed.
	FailedOnes = Outcomes(1 << Failed)
	// RunningOnes holds the runs that are running: Goes.
	RunningOnes = Outcomes(1 << Goes)
	// QueuedOnes holds the runs that are Queued.
	QueuedOnes = Outcomes(1 << Queued)
)

// OutcomeWords lists the words that ParseOutcomes takes, for messages.
const OutcomeWords = "ok, failed, cancelled, running, queued, unknown, active (running or queued) and complete (ended by itself)"

// ParseOutcomes returns the set that a word means: the name of an outcome as ParseOutcome takes
// it, "active" or "complete". Capital letters count as small ones. Several words, separated by
// commas, mean the runs of any of them.
func ParseOutcomes(words string) (set Outcomes, ok bool) {
	for word := range strings.SplitSeq(strings.ToLower(words), ",") {
		switch o, known := ParseOutcome(word); {
		case known:
			set |= 1 << o
		case word == "active":
			set |= ActiveOnes
		case word == string(Complete):
			set |= endedOnes
		default:
			return 0, false
		}
	}
	return set, true
}

// Has reports whether a run with this outcome and status is in the set.
func (s Outcomes) Has(o Outcome, status Status) bool {
	return s&(1<<o) != 0 || s&endedOnes != 0 && o.endedByItself(status)
}

// MayHave is Has for a caller that has only the outcome: it reports whether some run with it is
// in the set. If Exact, all of them are.
func (s Outcomes) MayHave(o Outcome) bool { return s.Has(o, Complete) }

// Exact reports whether the outcome alone decides what is in the set.
func (s Outcomes) Exact() bool { return s&endedOnes == 0 }

// String returns the words for the set, separated by "or".
func (s Outcomes) String() string {
	var words []string
	for i, name := range outcomeNames {
		if s&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	if s&endedOnes != 0 {
		words = append(words, string(Complete))
	}
	return strings.Join(words, " or ")
}
