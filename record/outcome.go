package record

// An Outcome says how a run went, with the job that it has started: what listings, searches
// and the dashboard choose tasks by. Each run has one.
type Outcome int

const (
	// Goes is the outcome of a run that goes on, or whose job may.
	Goes Outcome = iota
	// Succeeded is that of a run that has ended by itself with return code 0.
	Succeeded
	// Failed is that of a run that has ended by itself with another one.
	Failed
	// Stopped is that of a run that was cancelled, or whose job was, whatever its return code.
	Stopped
	// Unknown is that of a run of whose end nothing is known, as of an older job that no
	// scheduler remembers.
	Unknown
)

// outcomeNames are the words for outcomes, in the order of their values.
var outcomeNames = [...]string{"running", "succeeded", "failed", "cancelled", "unknown"}

// String returns the word for the outcome.
func (o Outcome) String() string { return outcomeNames[o] }

// ParseOutcome returns the outcome that a word stands for: one of those of String, or "ok"
// or "success" for Succeeded.
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

// Outcome returns how the run went.
func (r *Record) Outcome() Outcome {
	code := r.Code()
	return OutcomeOf(r.Active(), r.Data.Job.Cancelled(), r.Data.Status, code != nil, code != nil && *code == 0)
}

// OutcomeOf is Outcome of a run of which only this is at hand. jobCancelled is Job.Cancelled.
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

// EndedByItself reports whether a run of that status and outcome, with its job, has come to
// its end and was not cancelled, whatever its return code.
func (o Outcome) EndedByItself(status Status) bool {
	return status == Complete && o != Goes && o != Stopped
}
