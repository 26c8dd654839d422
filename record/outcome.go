package record

// An Outcome is the result of a run including the job that it has started. Listings, searches
// and the dashboard filter by it. Each run has exactly one.
type Outcome int

const (
	// Goes means that the run, or its job, may still be active.
	Goes Outcome = iota
	// Succeeded means that the run has ended by itself with return code 0.
	Succeeded
	// Failed means that the run has ended by itself with another return code.
	Failed
	// Stopped means that the run or its job was cancelled, whatever the return code.
	Stopped
	// Unknown means that the end of the run is not known, as for an old job that no scheduler
	// remembers.
	Unknown
)

// outcomeNames are the names of the outcomes, in the order of their values.
var outcomeNames = [...]string{"running", "succeeded", "failed", "cancelled", "unknown"}

// String returns the name of the outcome.
func (o Outcome) String() string { return outcomeNames[o] }

// ParseOutcome returns the outcome for a name as returned by String, or for "ok" or "success",
// which mean Succeeded.
func ParseOutcome(word string) (Outcome, bool) {
	if word == "ok" || word == "success" {
		return Succeeded, true
	}
	for i, name := range outcomeNames {
		if name == word {
			return Outcome(i), true
		}
	}
	return Unknown, false
}

// Outcome returns the outcome of the run.
func (r *Record) Outcome() Outcome {
	code := r.Code()
	return OutcomeOf(r.Active(), r.Data.Job.Cancelled(), r.Data.Status, code != nil, code != nil && *code == 0)
}

// OutcomeOf is Record.Outcome for a caller that has only these values. jobCancelled is the
// result of Job.Cancelled.
func OutcomeOf(active, jobCancelled bool, status Status, hasCode, isZero bool) Outcome {
	switch {
	case active:
		return Goes
	case status == Cancelled || jobCancelled:
		return Stopped
	case status == Complete && hasCode && isZero:
		return Succeeded
	case status == Complete && hasCode:
		return Failed
	}
	return Unknown
}

// EndedByItself reports whether a run with this status and outcome has ended, including its
// job, and was not cancelled. The return code does not matter.
func (o Outcome) EndedByItself(status Status) bool {
	return status == Complete && o != Goes && o != Stopped
}
