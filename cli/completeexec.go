package cli

import (
	"strings"

	"qme/executor"
	"qme/executor/program"
	"qme/tasks"
)

// execCandidates returns the candidates for a word after "exec" and the words in before.
func (c *completion) execCandidates(before []string, word string) []candidate {
	typed, _, err := splitOptions(before)
	if err != nil {
		return nil
	}
	found := c.inTime(func(h *home) []candidate { return readActions(h, typed, strings.HasPrefix(word, "-")) })
	if len(typed) > 0 || strings.HasPrefix(word, "-") {
		return found
	}
	return append(found, taskCandidates(c.newest(), word, nil)...)
}

// readActions returns the candidates after the typed words: the actions of the named
// task, or, with no words, the actions of the last task and the executors. If options is
// set, it returns the options of the typed action, or --json if no action is typed.
func readActions(h *home, typed []string, options bool) []candidate {
	q, set := readExecutors(h)
	if set == nil {
		return nil
	}
	e, rest := executorOf(q, set, typed)
	switch {
	case len(rest) > 0 && options:
		return optionsFor(e, rest[0])
	case options:
		return []candidate{{"--json", "list the actions as JSON"}}
	case len(rest) > 0:
		return nil
	}
	var found []candidate
	for _, act := range actionsOf(e) {
		found = append(found, candidate{act.Name, act.Summary})
	}
	if len(typed) > 0 {
		return found
	}
	for _, e := range set.All() {
		found = append(found, candidate{e.Name(), "list its actions"})
	}
	return found
}

// readExecutors returns the service and the executors of a home. It uses the defaults if
// the settings cannot be read, and returns nil if the home cannot be opened.
func readExecutors(h *home) (*tasks.Service, *executor.Set) {
	if h == nil {
		return nil, nil
	}
	set := h.settings
	defaults := set.cfg
	set.cfg = nil
	if _, err := set.config(); err != nil {
		set.cfg = defaults
	}
	q, err := h.tasks()
	if err != nil {
		return nil, nil
	}
	return q, set.executors(set.cfg)
}

// executorNames returns the executors of this home.
func executorNames(h *home) []candidate {
	_, set := readExecutors(h)
	if set == nil {
		set = executor.NewSet(&executor.Shell{})
	}
	var found []candidate
	for _, e := range set.All() {
		about := "runs commands of its own"
		if _, ok := e.(executor.Submitter); ok {
			about = "runs any command as a job"
		}
		found = append(found, candidate{e.Name(), about})
	}
	return found
}

// executorOf returns the executor of the task that is meant, nil if there is none, and
// the words after the task, as in taskOf.
func executorOf(q *tasks.Service, set *executor.Set, typed []string) (executor.Executor, []string) {
	if last, err := q.Find(""); err == nil {
		e, _ := set.Get(last.Record.Executor)
		if _, ok := actionOf(e, typed); ok || len(typed) == 0 {
			return e, typed
		}
	}
	if len(typed) == 0 {
		return nil, nil
	}
	v, err := q.Find(typed[0])
	if err != nil {
		return nil, nil
	}
	e, _ := set.Get(v.Record.Executor)
	return e, typed[1:]
}

func actionOf(e executor.Executor, typed []string) (executor.Action, bool) {
	for _, act := range actionsOf(e) {
		if len(typed) > 0 && act.Name == typed[0] {
			return act, true
		}
	}
	return executor.Action{}, false
}

func optionsFor(e executor.Executor, action string) []candidate {
	act, _ := actionOf(e, []string{action})
	var found []candidate
	for _, o := range act.Options {
		found = append(found, candidate{"--" + o.Name, o.Usage})
	}
	if _, its := act.Takes("yes"); act.Alters && !its {
		found = append(found, candidate{"--yes", "do not ask about a job that this home has not started"})
	}
	return found
}

// actionsOf returns the actions of an executor, nil if listing them would start a
// program.
func actionsOf(e executor.Executor) []executor.Action {
	if e == nil || program.Made(e) {
		return nil
	}
	return e.Actions()
}
