package gitstore

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"qme/gitstore/gitformat"
	"qme/internal/lazy"
	"qme/record"
)

// Objects that git's own checks reject (fsck.c in git's sources, with --strict) must not come
// into a history: a history never loses a commit again, and with one such commit in
// it no server that checks pushes (receive.fsckObjects) takes it.

// fsckCommit returns the objection of git fsck to a commit.
func fsckCommit(b []byte) error {
	why := commitFault(b)
	if why == "" {
		return nil
	}
	return fmt.Errorf("%s, which git's checks refuse: %w", why, record.ErrInvalid)
}

func commitFault(b []byte) string {
	if bytes.IndexByte(b, 0) >= 0 {
		return "it has a NUL in it"
	}
	if !bytes.Contains(b, []byte("\n\n")) && !bytes.HasSuffix(b, []byte("\n")) {
		return "its header does not end"
	}
	_, b, ok := gitformat.NamedObject(b, "tree ")
	if !ok {
		return "it does not begin with the name of its tree"
	}
	for bytes.HasPrefix(b, []byte("parent ")) {
		if _, b, ok = gitformat.NamedObject(b, "parent "); !ok {
			return "it names a parent that is no object"
		}
	}
	for _, who := range []string{"author", "committer"} {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		value, ok := bytes.CutPrefix(line, []byte(who+" "))
		if !ok {
			return "it has no " + who + " where one belongs"
		}
		if why := identFault(string(value)); why != "" {
			return "its " + who + " " + why
		}
		b = rest
	}
	return laterHeaders(b)
}

// laterHeaders checks the lines after the committer, such as a signature.
func laterHeaders(b []byte) string {
	for len(b) > 0 && b[0] != '\n' {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		key, _, _ := bytes.Cut(line, []byte(" "))
		switch string(key) {
		case "tree", "parent", "author", "committer":
			return "it has a second line " + string(key)
		}
		b = rest
	}
	return ""
}

var (
	zoneForm = lazy.Regexp(`^[+-][0-9]{4}$`)
	dateForm = lazy.Regexp(`^(0|[1-9][0-9]*)$`)
)

// identFault returns the fault of NAME <EMAIL> SECONDS ZONE, "" for none.
func identFault(s string) string {
	name, rest, ok := strings.Cut(s, "<")
	switch {
	case strings.Contains(name, ">"):
		return "has a > in the name"
	case !ok:
		return "has no e-mail address"
	case !strings.HasSuffix(name, " ") && name != "":
		return "has no blank before the e-mail address"
	case name == "":
		return "has no name"
	}
	email, when, ok := strings.Cut(rest, ">")
	if !ok || strings.Contains(email, "<") {
		return "has an e-mail address that does not end"
	}
	when, ok = strings.CutPrefix(when, " ")
	if !ok {
		return "has no blank before the date"
	}
	seconds, zone, _ := strings.Cut(when, " ")
	if !dateForm().MatchString(seconds) {
		return fmt.Sprintf("has the date %.40q", seconds)
	}
	if _, err := strconv.ParseInt(seconds, 10, 64); err != nil {
		return "has a date that is too far ahead"
	}
	if !zoneForm().MatchString(zone) {
		return fmt.Sprintf("has the time zone %.40q", zone)
	}
	return ""
}

// fsckTree returns the entries of a tree, and the objection of git fsck to it or a name that
// could be dangerous in a checkout.
func fsckTree(b []byte) ([]treeEntry, error) {
	entries, err := parseTree(b)
	if err == nil {
		err = fsckEntries(entries)
	}
	return entries, err
}

func fsckEntries(entries []treeEntry) error {
	for _, e := range entries {
		if err := checkEntry(e); err != nil {
			return err
		}
	}
	return checkOrder(entries)
}

// checkOrder checks the order of a tree's entries.
func checkOrder(entries []treeEntry) error {
	files := map[string]bool{} // by the names of files, which come before folders of that name
	for i, e := range entries {
		if i > 0 && entries[i-1].key() >= e.key() {
			return fmt.Errorf("%.80q is out of order: %w", e.name, record.ErrInvalid)
		}
		if files[e.name] {
			return fmt.Errorf("%.80q is there twice: %w", e.name, record.ErrInvalid)
		}
		files[e.name] = !e.isDir()
	}
	return nil
}

// longestName is the number of bytes from which git's checks reject a name.
const longestName = 4096

func checkEntry(e treeEntry) error {
	why := ""
	switch {
	case e.mode == gitformat.ModeLink:
		why = "is a symbolic link"
	case e.mode == gitformat.ModeSubmodule:
		why = "is a submodule"
	case e.mode != gitformat.ModeFile && e.mode != gitformat.ModeDir:
		why = fmt.Sprintf("has the mode %.20q", e.mode)
	case e.hash.IsZero():
		why = "names no object"
	case len(e.name) > longestName:
		why = "is too long for the name of a file"
	case ordinary(e.name):
		return nil
	case strings.ContainsFunc(e.name, unicode.IsControl):
		why = "has a control character in it"
	case strings.ContainsAny(e.name, "/\\") || isGitName(e.name) || e.isDir() && isAttributes(e.name):
		why = "cannot be the name of a file"
	default:
		return nil
	}
	return fmt.Errorf("%.80q %s: %w", e.name, why, record.ErrInvalid)
}

// ordinary reports whether a name is one of those that all of a history have: there
// may be many millions to look at.
func ordinary(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-':
		case c == '.' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}

// gitNames are the names by which a checkout would reach git's own files, without the
// characters that file systems leave out.
var gitNames = lazy.Regexp(`^(\.git|git~[0-9]+|\.gitmodules)?$`)

// isGitName reports whether some file system takes a name for that of git's own
// folder or of the list of submodules, for the folder itself or the one above it.
func isGitName(name string) bool {
	return anyPlain(name, func(plain string) bool {
		return gitNames().MatchString(plain) || shortName(plain, "gitmod", "gi7eba")
	})
}

// isAttributes reports whether git may read the file of that name for attributes.
func isAttributes(name string) bool {
	return anyPlain(name, func(plain string) bool {
		return plain == ".gitattributes" || shortName(plain, "gitatt", "gi7d29")
	})
}

// anyPlain reports whether one of the forms is meant which file systems may take a
// name for: git holds it possible that a name ends where it is no Unicode.
func anyPlain(name string, is func(plain string) bool) bool {
	end := strings.IndexFunc(name, func(r rune) bool { return r == utf8.RuneError || r&0xfffe == 0xfffe })
	return is(plainName(name)) || end > 0 && is(plainName(name[:end]))
}

// plainName is a name as file systems may compare it: HFS+ leaves out invisible
// characters, NTFS everything from a colon on and, at the end, dots and blanks;
// neither tells small letters from capitals.
func plainName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	name, _, _ = strings.Cut(name, ":")
	return strings.TrimRight(name, ". ")
}

// shortName reports whether NTFS may have given a name as the short one of a long one,
// whose first six letters are long: these and a number, or, when there are many, the
// epoch of a hash and a number (is_ntfs_dot_generic in git's sources).
func shortName(name, long, hash string) bool {
	head, number, ok := strings.Cut(name, "~")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return false
	}
	return head == long || strings.HasPrefix(hash, head) && len(name) == 8
}

const (
	longestAttribute  = 2048      // bytes of a line
	largestAttributes = 100 << 20 // bytes of the file
)

// fsckAttributes returns the objection of git fsck to a file that is called .gitattributes.
func fsckAttributes(b []byte) error {
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		if len(line) >= longestAttribute || len(b) > largestAttributes {
			return fmt.Errorf("it is called .gitattributes and has lines, or a size, that git's checks refuse: %w", record.ErrInvalid)
		}
	}
	return nil
}
