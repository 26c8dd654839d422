package config

import (
	"fmt"
	"strings"
)

// problems returns the mistakes in the names of the document, and the indices of tables
// that are not groups of settings. It does not check values.
func (d *document) problems(path string) (all []error, wrong map[int]bool) {
	wrong = map[int]bool{}
	for i, t := range d.tables {
		if i == 0 || isSection(t.path) {
			continue // checked when the executor is created
		}
		if err := t.problem(d.where(path, t.start)); err != nil {
			all, wrong[i] = append(all, err), true
		}
	}
	for _, e := range d.entries {
		if isSection(e.path) || wrong[e.table] {
			continue
		}
		if err := d.entryProblem(path, e); err != nil {
			all = append(all, err)
		}
	}
	return all, wrong
}

// entryProblem returns an error if an entry is not a setting.
func (d *document) entryProblem(path string, e entry) error {
	name := spell(e.path)
	if _, ok := lookup(name); ok {
		return nil
	}
	where := d.where(path, e.start)
	if first := firstOf(name); first != "" {
		return invalid("%s%s is a group of settings, not a setting: write [%s] and below it settings such as %s",
			name, where, name, first[len(name)+1:])
	}
	err := unknown(name, where)
	if strings.ContainsAny(name, "\"\\") {
		return err // a shell would not read the name as printed here
	}
	return fmt.Errorf("%w \"qme config --unset %s\" removes it", err, name)
}

func (t table) problem(where string) error {
	name := spell(t.path)
	if _, ok := lookup(name); ok {
		return invalid("%s%s is a setting, not a group of settings: write %s = VALUE", name, where, name)
	}
	if firstOf(name) == "" {
		return unknown(name, where)
	}
	if t.array {
		return invalid("%s%s is a list of tables: write [%s] with single brackets", name, where, name)
	}
	return nil
}
