package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"qme/executor/section"
)

// Sections returns the sections of executors that are not built in, in the order of the
// file. Their values are not checked: a mistake disables only that executor.
func (c *Config) Sections() []section.Section { return slices.Clone(c.sections) }

// isSection reports whether a path is in a section [executor.NAME] of an executor that is
// not built in.
func isSection(path []string) bool {
	return len(path) > 1 && path[0] == "executor" && !slices.Contains(builtIn(), path[1])
}

// builtIn caches executors.
var builtIn = sync.OnceValue(executors)

func (d *document) sections(file string) []section.Section {
	group, _ := d.values["executor"].(map[string]any)
	var all []section.Section
	begin := map[string]int{}
	for name, v := range group {
		if !isSection([]string{"executor", name}) {
			continue
		}
		values, _ := v.(map[string]any)
		begin[name] = d.offset([]string{"executor", name})
		all = append(all, section.Section{Name: name, Values: values, Where: func(path ...string) string {
			return d.where(file, d.offset(append([]string{"executor", name}, path...)))
		}})
	}
	slices.SortFunc(all, func(a, b section.Section) int {
		return cmp.Compare(begin[a.Name], begin[b.Name])
	})
	return all
}

// offset returns the beginning of the value at a path, or else of the innermost table
// that would contain it.
func (d *document) offset(path []string) int {
	for ; len(path) > 0; path = path[:len(path)-1] {
		first := len(d.text)
		for _, t := range d.tables[1:] {
			if within(t.path, path) {
				first = min(first, t.start)
			}
		}
		for _, e := range d.entries {
			if within(e.path, path) {
				first = min(first, e.start)
			}
		}
		if first < len(d.text) {
			return first
		}
	}
	return 0
}

// within reports whether path is equal to group or below it.
func within(path, group []string) bool {
	return len(path) >= len(group) && slices.Equal(path[:len(group)], group)
}

// sectionKeys lists the entries of sections as settings.
func (d *document) sectionKeys(file string) []Setting {
	found := map[string]Setting{}
	for _, e := range d.entries {
		if isSection(e.path) {
			name := spell(e.path)
			found[name] = Setting{Name: name, Value: d.shown(e), Source: FromFile, Where: file,
				Description: "of an executor by configuration or by program: see docs/executors.md"}
		}
	}
	return slices.Collect(maps.Values(found))
}

// shown returns the value of an entry for display: strings without quotes, other values
// as written, on one line.
func (d *document) shown(e entry) string {
	if text, ok := d.lookup(e.path).(string); ok {
		return text
	}
	return strings.Join(strings.Fields(string(d.text[e.value:e.end])), " ")
}
