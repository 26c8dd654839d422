package tasks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"qme/internal/mask"
	"qme/provenance"
	"qme/record"
)

// A Hidden is a secret that is masked in the command of a task.
type Hidden struct {
	ID record.ID
	// Name is that of the variable whose value it was, or, if Pattern is not 0, the name of the
	// pattern with that number in the setting mask.patterns.
	Name    string
	Pattern int
	// Text is the word of the command that has the secret, masked.
	Text string
}

// A SecretError says that a task is not rerun because the value of a secret in its command is not
// known. It is a record.ErrConflict.
type SecretError struct{ Hidden }

// Error implements error.
func (e *SecretError) Error() string {
	if e.Pattern > 0 {
		return fmt.Sprintf("task %s: its command has a text that is masked in the record, by pattern %d of the setting mask.patterns", e.ID, e.Pattern)
	}
	return fmt.Sprintf("task %s: its command has the value of %s, which is masked in the record", e.ID, e.Name)
}

// Is makes the error a record.ErrConflict.
func (e *SecretError) Is(target error) bool { return target == record.ErrConflict }

// A revealed is a command, with what is declared for it and its parameters, with its secrets filled in.
type revealed struct {
	cmd []string
	dir string
	// declared are the files that the user has declared.
	declared provenance.Declared
	params   record.Params
	secrets  []mask.Secret
	names    []string // all names of secrets that the record may have
}

// MaskedIn returns the markers of secrets in the command of a record, each once. Text that only looks
// like a marker is none.
func MaskedIn(rec *record.Record) (markers []string) {
	for _, word := range rec.Data.Cmd {
		for _, m := range mask.Markers(word) {
			if text := word[m.Start:m.End]; rec.Data.Masked[m.Name] > 0 && !slices.Contains(markers, text) {
				markers = append(markers, text)
			}
		}
	}
	return markers
}

// reveal fills in the secrets that are masked in the command, its parameters and the directory of a record. The
// record is not changed. Text that only looks like a marker stays as it is.
func (q *Service) reveal(old *record.Record, ask func(Hidden) (string, error)) (*revealed, error) {
	r := &revealed{cmd: old.Data.Cmd, dir: old.Data.PWD, params: old.Data.Params}
	if d := old.Data.Declared; d != nil {
		r.declared = provenance.Declared{In: d.In, Out: d.Out}
	}
	if len(old.Data.Masked) == 0 {
		return r, nil
	}
	r.names = slices.Sorted(maps.Keys(old.Data.Masked))
	known := map[string]string{}
	value := func(name, text string) (string, error) {
		if v, ok := known[name]; ok {
			return v, nil
		}
		h := Hidden{ID: old.UID, Name: name, Text: text}
		h.Pattern, _ = mask.PatternOf(name)
		if ask == nil {
			return "", &SecretError{h}
		}
		v, err := ask(h)
		if err != nil {
			return "", err
		}
		if h.Pattern == 0 { // each text that a pattern has masked may be another one
			known[name] = v
		}
		r.secrets = append(r.secrets, mask.Secret{Name: name, Value: v})
		return v, nil
	}
	words := slices.Concat([]string{r.dir}, r.cmd, r.declared.In, r.declared.Out, r.params.Values())
	for i, w := range words {
		real, err := r.fill(old, w, value)
		if err != nil {
			return nil, err
		}
		words[i] = real
	}
	in := 1 + len(r.cmd)
	out := in + len(r.declared.In)
	end := out + len(r.declared.Out)
	r.dir, r.cmd, r.declared = words[0], words[1:in:in], provenance.Declared{In: words[in:out:out], Out: words[out:end:end]}
	r.params = slices.Clone(r.params)
	for i, value := range words[end:] {
		r.params[i].Value = value
	}
	return r, nil
}

// fill returns a text with the values of its secrets.
func (r *revealed) fill(old *record.Record, text string, value func(name, text string) (string, error)) (string, error) {
	var out strings.Builder
	pos := 0
	for _, m := range mask.Markers(text) {
		if old.Data.Masked[m.Name] == 0 {
			continue
		}
		v, err := value(m.Name, text)
		if err != nil {
			return "", err
		}
		v, ok := mask.Encode(v, m.Form)
		if !ok {
			return "", fmt.Errorf("task %s: the value of %s has no form %q, in which its command has it: %w", old.UID, m.Name, m.Form, record.ErrConflict)
		}
		out.WriteString(text[pos:m.Start])
		out.WriteString(v)
		pos = m.End
	}
	out.WriteString(text[pos:])
	return out.String(), nil
}
