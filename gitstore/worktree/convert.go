package worktree

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/gitstore/gitconfig"
)

const attributesName = ".gitattributes"

// rawDecides reports whether git would store the bytes of a file on disk as they are, so
// that their hash tells whether it was changed.
func (f *fileCheck) rawDecides(name string, content []byte) bool {
	if f.index.hiddenAttributes {
		return false
	}
	files, ok := f.attributesFor(name)
	if !ok {
		return false
	}
	lineEndings := false
	for _, a := range files {
		if a.transforms(name) {
			return false
		}
		lineEndings = lineEndings || a.any
	}
	// The conversion of line endings only ever changes CR LF.
	if !bytes.Contains(content, []byte("\r\n")) {
		return true
	}
	autocrlf, known := f.setting("core.autocrlf")
	off := known && (autocrlf == "" || strings.EqualFold(autocrlf, "false") || autocrlf == "0" ||
		strings.EqualFold(autocrlf, "no") || strings.EqualFold(autocrlf, "off"))
	return off && !lineEndings
}

// An attributes file says how files are converted (gitattributes(5)).
type attributes struct {
	any     bool // it says something
	unclear bool // it could not be read, or may apply to every file
	// suffixes and everything name the files that are put through a filter or
	// the like. Patterns other than "*SUFFIX" are taken to fit every file.
	suffixes   []string
	everything bool
}

// transforms reports whether more than line endings may be converted.
func (a *attributes) transforms(name string) bool {
	return a.unclear || a.everything || slices.ContainsFunc(a.suffixes, func(s string) bool {
		return len(name) >= len(s) && strings.EqualFold(name[len(name)-len(s):], s)
	})
}

// attributesFor returns the attributes files that may speak of the file name.
func (f *fileCheck) attributesFor(name string) ([]*attributes, bool) {
	user, known := f.setting("core.attributesfile")
	if user == "" {
		user = filepath.Join(gitconfig.UserDir(), "attributes")
	} else if expanded, ok := gitconfig.Expand(user, f.repo.root); ok {
		user = expanded
	} else {
		known = false
	}
	if !known {
		return nil, false
	}
	files := []*attributes{
		f.attributes("/etc/gitattributes"),
		f.attributes(user),
		f.attributes(filepath.Join(f.commonDir, "info", "attributes")),
		f.attributes(filepath.Join(f.repo.root, attributesName)),
	}
	for i, c := range []byte(name) {
		if c == '/' {
			files = append(files, f.attributes(filepath.Join(f.repo.root, name[:i], attributesName)))
		}
	}
	return files, true
}

// attributes reads the file path, once.
func (r *repo) attributes(path string) *attributes {
	if a := r.attrs[path]; a != nil {
		return a
	}
	a := &attributes{}
	b, err := readMeta(path)
	switch {
	case err == nil:
		a.parse(b)
	case !errors.Is(err, fs.ErrNotExist) && !errNotDir(err) && !os.IsPermission(err):
		a.unclear = true
	}
	if r.attrs == nil {
		r.attrs = map[string]*attributes{}
	}
	r.attrs[path] = a
	return a
}

func (a *attributes) parse(text []byte) {
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		a.any = true
		if !slices.ContainsFunc(fields[1:], transforming) {
			continue
		}
		suffix, ok := strings.CutPrefix(fields[0], "*")
		if ok && !strings.ContainsAny(suffix, `*?[\/"`) {
			a.suffixes = append(a.suffixes, suffix)
		} else {
			a.everything = true
		}
	}
}

// transforming reports whether an attribute may change more than line endings.
func transforming(attribute string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(attribute, "-!"), "=")
	switch name {
	case "filter", "ident", "working-tree-encoding":
		return true
	}
	return false
}
