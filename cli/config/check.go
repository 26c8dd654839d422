package config

import (
	"fmt"
	"strings"
)

// problem says what in the document is not a setting, nil when everything is. The
// values are not looked at.
func (d *document) problem(path string) error {
	for _, t := range d.tables[1:] {
		if isSection(t.path) {
			continue // whoever makes the executor says what is wrong with it
		}
		if err := t.problem(d.where(path, t.start)); err != nil {
			return err
		}
	}
	for _, e := range d.entries {
		if isSection(e.path) {
			continue
		}
		name := spell(e.path)
		if _, ok := lookup(name); ok {
			continue
		}
		where := d.where(path, e.start)
		if first := firstOf(name); first != "" {
			return invalid("%s%s is a group of settings, not a setting: write [%s] and below it settings such as %s",
				name, where, name, first[len(name)+1:])
		}
		err := unknown(name, where)
		if strings.ContainsAny(name, "\"\\") {
			return err // a shell would not read the name as it is here
		}
		return fmt.Errorf("%w \"qme config --unset %s\" removes it", err, name)
	}
	return nil
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
