package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"qme/internal/near"
)

// unknown returns the error for a name that is not a setting, with the setting that was
// probably meant. where is "" or begins with " in ".
func unknown(name, where string) error {
	if rest, ok := strings.CutPrefix(name, "executor."); ok {
		executor, _, _ := strings.Cut(rest, ".")
		if known := executors(); !slices.Contains(known, executor) {
			return invalid("no executor %s%s has settings that can be set so: only %s has. What is in the section [executor.%s] of config.toml is edited in the file, as docs/executors.md says",
				printable(executor), where, strings.Join(known, ", "), printable(executor))
		}
	}
	if search, ok := strings.CutPrefix(name, SearchGroup+"."); ok {
		if err := CheckSearchName(search); err != nil {
			return invalid("%s%s: %v", printable(name), where, err)
		}
		return noSearch(search, nil)
	}
	if first := firstOf(name); first != "" {
		return invalid("%s%s is a group of settings: name one of them, such as %s", name, where, first)
	}
	meant := nearest(name)
	if meant == "" {
		return invalid("unknown setting %s%s: \"qme config\" lists all", printable(name), where)
	}
	return invalid("unknown setting %s%s: did you mean %s?", printable(name), where, meant)
}

// printable quotes a name with characters that are not printable.
func printable(name string) string {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// firstOf returns the first setting of a group, "" if there is no such group.
func firstOf(group string) string {
	for _, s := range settings {
		if strings.HasPrefix(s.name, group+".") {
			return s.name
		}
	}
	if group == SearchGroup {
		return SearchKey("NAME")
	}
	return ""
}

// executors returns the executors with settings in the table.
func executors() []string {
	var names []string
	for _, s := range settings {
		if rest, ok := strings.CutPrefix(s.name, "executor."); ok {
			name, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// nearest returns the setting with the smallest edit distance to name, "" if more than
// half of the name would have to be retyped. A name without dots is also compared with
// the last part of each setting, since users forget the group: "keep" means run.keep.
func nearest(name string) string {
	name = strings.ToLower(name)
	best, least := "", 0
	for _, s := range settings {
		d := near.Distance(name, s.name)
		if i := strings.LastIndexByte(s.name, '.'); i >= 0 && !strings.Contains(name, ".") {
			d = min(d, 1+near.Distance(name, s.name[i+1:]))
		}
		if best == "" || d < least {
			best, least = s.name, d
		}
	}
	if least > 1+len(name)/2 {
		return ""
	}
	return best
}
