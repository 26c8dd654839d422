package tasks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks/sweep"
)

// Changed returns the record of a task as it would be with other values of some parameters, under its own id, without running it. The error
// wraps sweep.ErrInvalid if its command cannot be changed so.
func (q *Service) Changed(ref string, set record.Params) (*record.Record, error) {
	old, err := q.changeable(ref)
	if err != nil {
		return nil, err
	}
	rec, _, err := q.withSet(old, set)
	return rec, err
}

// canSet returns an error for an sbatch that qme itself has made: the user's command is inside its option --wrap, and the output of
// another job would replace that of this task.
func (q *Service) canSet(old *record.Record) error {
	if q.Jobs == nil || !slices.ContainsFunc(old.Data.Cmd, func(w string) bool {
		return strings.Contains(w, string(filepath.Separator)+string(old.UID)+string(filepath.Separator))
	}) {
		return nil
	}
	return fmt.Errorf("task %s was submitted by qme as a job of %s, and its command cannot be changed; submit it again with the other value: %w", old.UID, old.Executor, sweep.ErrInvalid)
}

// changeable returns the present record of a task whose command can be run with a change. The task may be running.
func (q *Service) changeable(ref string) (*record.Record, error) {
	old, err := q.resolveRecord(ref)
	if err != nil {
		return nil, err
	}
	return old, repeatable(old)
}

// repeatable returns an error if a record does not say exactly what its command is.
func repeatable(rec *record.Record) error {
	if len(rec.Data.Cmd) == 0 {
		return fmt.Errorf("task %s has no command: %w", rec.UID, record.ErrInvalid)
	}
	return Exact(rec.UID, append([]string{rec.Data.PWD}, rec.Data.Cmd...)...)
}

// withSet returns a record with other values of some parameters, in its parameters and in its command, and the id of the task that this
// becomes.
func (q *Service) withSet(old *record.Record, set record.Params) (*record.Record, record.ID, error) {
	if err := q.canSet(old); err != nil {
		return nil, "", err
	}
	id, err := record.NewID(old.Executor)
	if err != nil {
		return nil, "", err
	}
	rec := *old
	rec.Data.Params = slices.Clone(old.Data.Params)
	for _, one := range set {
		if i := slices.IndexFunc(rec.Data.Params, func(p record.Param) bool { return p.Name == one.Name }); i >= 0 {
			rec.Data.Params[i].Value = one.Value
		} else {
			rec.Data.Params = append(rec.Data.Params, one)
		}
	}
	if n := len(rec.Data.Params); n > record.MostParams {
		return nil, "", fmt.Errorf("task %s would have %d parameters, of at most %d: %w", old.UID, n, record.MostParams, sweep.ErrInvalid)
	}
	words, made, err := fromTemplate(old, rec.Data.Params, set, id)
	if err == nil && !made {
		words, err = withOptions(old, set)
	}
	if err != nil {
		return nil, "", fmt.Errorf("task %s: %w", old.UID, err)
	}
	if made {
		if rec.Data.PWD, err = folderOf(old, rec.Data.Params, id); err != nil {
			return nil, "", fmt.Errorf("task %s: %w", old.UID, err)
		}
	}
	last := len(words) - 1
	rec.Command = executor.Quote(words)
	if old.Command == old.Data.Cmd[last] { // a command line
		rec.Command = words[last]
	}
	rec.Data.Cmd = words
	return &rec, id, nil
}

// fromTemplate makes the words of a command from the template of its group. It makes none if there is no template, or it is not what the
// command was made from: it may come from elsewhere.
func fromTemplate(old *record.Record, params, set record.Params, id record.ID) (words []string, made bool, err error) {
	g := old.Data.Group
	if g == nil || len(g.Template) == 0 {
		return nil, false, nil
	}
	as, err := sweep.ParsePlaceholder(g.Placeholder)
	if err != nil {
		return nil, false, nil
	}
	was, err := as.Fill(g.Template, sweep.Values(old.Data.Params, string(old.UID), g.Name, g.Index))
	before := len(old.Data.Cmd) - len(was) // "sh -c" of a line
	if err != nil || before < 0 || !slices.Equal(old.Data.Cmd[before:], was) {
		return nil, false, nil
	}
	for _, one := range set {
		if _, there := old.Data.Params.Get(one.Name); !there {
			return nil, false, fmt.Errorf("its group has no parameter %s; it can be one of %s: %w", one.Name, strings.Join(old.Data.Params.Names(), ", "), sweep.ErrInvalid)
		}
	}
	now, err := as.Fill(g.Template, sweep.Values(params, string(id), g.Name, g.Index))
	return append(slices.Clone(old.Data.Cmd[:before]), now...), true, err
}

// folderOf returns the directory of a command that is made from its template: a folder of its own, if the task had one.
func folderOf(old *record.Record, params record.Params, id record.ID) (string, error) {
	g := old.Data.Group
	as, err := sweep.ParsePlaceholder(g.Placeholder)
	if err != nil || g.Folder == "" {
		return old.Data.PWD, nil
	}
	if was, err := as.Folder(g.Folder, sweep.Values(old.Data.Params, string(old.UID), g.Name, g.Index)); err != nil || was != old.Data.PWD {
		return old.Data.PWD, nil // it comes from elsewhere
	}
	return as.Folder(g.Folder, sweep.Values(params, string(id), g.Name, g.Index))
}

// ownFolder makes the folder in which a changed command runs if it has one of its own. It says so if that is the one of the task before.
func (q *Service) ownFolder(was, changed *record.Record, dir string) error {
	if changed.Data.PWD != was.Data.PWD {
		return os.MkdirAll(dir, 0o777)
	}
	if g := was.Data.Group; g != nil && g.Folder != "" {
		q.Warn("it runs in the folder of task %s, %s, and may replace its files", was.UID, safe.Bounded(was.Data.PWD))
	}
	return nil
}

// withOptions returns the words of a command with other values of options. A recorded parameter that has no option is in a variable
// alone.
func withOptions(old *record.Record, set record.Params) ([]string, error) {
	var options record.Params
	for _, one := range set {
		_, known := old.Data.Params.Get(one.Name)
		variable := slices.ContainsFunc(old.Data.Cmd, func(w string) bool { return strings.Contains(w, ParamVariable+one.Name) })
		if !known || sweep.HasOption(old.Data.Cmd, one.Name) && !variable {
			options = append(options, one)
		}
	}
	return sweep.SetOptions(old.Data.Cmd, options)
}

// A ParamChange is a parameter of a task with another value than in the run that the task comes from.
type ParamChange struct {
	Name, Now string
	Was       string // "" also if there was none
	Known     bool   // whether Was is known
}

// Changes returns the parameters of a run with another value than in the task that it comes from, or whose value there is not known. An
// option of the command of that counts as a parameter. there says whether that task is in the history; a run that comes from none has no changes.
func (v Version) Changes() (list []ParamChange, there bool, err error) {
	rec := v.Record
	if rec.Data.Origin == nil {
		return nil, false, nil
	}
	old := new(record.Record)
	from, err := v.service.Find(string(rec.Data.Origin.UID)) // each of its runs has these parameters
	switch {
	case err == nil:
		old, there = from.Record, true
	case errors.Is(err, record.ErrNotFound):
		err = nil
	}
	for _, p := range rec.Data.Params {
		c := ParamChange{Name: p.Name, Now: p.Value}
		if c.Was, c.Known = old.Data.Params.Get(p.Name); !c.Known {
			c.Was, c.Known = sweep.Option(old.Data.Cmd, p.Name)
		}
		if !c.Known || c.Was != c.Now {
			list = append(list, c)
		}
	}
	return list, there, err
}
