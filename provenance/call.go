package provenance

import (
	"path/filepath"
	"slices"
	"strings"

	"qme/record"
)

// A call is a simple command.
type call struct {
	words []string // "" for one that is not known
	dir   string   // where relative names are, relative to the directory of the run; "" for that
	// moved says that relative names are those of a folder that is not known, and lost that names
	// without a slash are looked for in a PATH that is not known.
	moved, lost bool
}

// at returns a name as it is in the directory of the run, "" for one that is not known.
func (c call) at(name string) string {
	switch {
	case name == "" || filepath.IsAbs(name):
		return name
	case c.moved:
		return ""
	case c.dir == "":
		return name
	}
	return filepath.Join(c.dir, name)
}

// program returns the name of the program as at does; "" if it is not known which one it is.
func (c call) program() string {
	name := c.words[0]
	switch {
	case strings.Contains(name, "/"):
		return c.at(name)
	case c.lost:
		return ""
	}
	return name
}

// in returns the call as it goes on in a folder.
func (c call) in(dirs ...string) call {
	for _, dir := range dirs {
		switch {
		case dir == "":
			c.moved = true
		case filepath.IsAbs(dir):
			c.dir, c.moved = dir, false
		default:
			c.dir = filepath.Join(c.dir, dir)
		}
	}
	return c
}

// wrapped returns the call that a call runs in its own place, or beside itself; without words for
// none.
func (c call) wrapped() call {
	next := wrapped(c.words)
	if filepath.Base(c.words[0]) == "env" && len(next) > 0 {
		dirs, own := envFolder.split(c.words[1 : len(c.words)-len(next)])
		c = c.in(dirs...)
		c.lost = c.lost || slices.ContainsFunc(own, func(word string) bool {
			return word == "" || word == "-" || word == "-i" || strings.HasPrefix(word, "--ignore") || strings.HasPrefix(word, "PATH=") || strings.HasSuffix(word, "PATH")
		})
	}
	c.words = next
	return c
}

// A folderOption is the option of a program that names the folder to which relative names belong.
// Its short form is -C.
type folderOption struct {
	long   string
	valued string // other options of one letter that have a value
}

var (
	envFolder  = folderOption{long: "--chdir", valued: "PSau"}
	makeFolder = folderOption{long: "--directory", valued: "EIOWfjlo"}
	tarFolder  = folderOption{long: "--directory", valued: "FHIKLNTVXbfg"}
	// movers have the same folder for all words, wherever the option stands.
	movers = map[string]folderOption{"make": makeFolder, "gmake": makeFolder, "ninja": {valued: "dfjklt"}, "samu": {valued: "dfjklt"}}
	// ofGit are the options before the word that says what git does.
	ofGit       = options{valued: "Cc", long: " --attr-source --config-env --exec-path --git-dir --namespace --work-tree "}
	folderOfGit = folderOption{valued: "c"}
)

// at returns the folder that a word names, or says that the next word is it.
func (f folderOption) at(word string) (dir string, next, ok bool) {
	if f.long != "" && word == f.long {
		return "", true, true
	}
	if value, ok := strings.CutPrefix(word, f.long+"="); ok && f.long != "" {
		return value, false, true
	}
	letters, short := strings.CutPrefix(word, "-")
	at := strings.IndexByte(letters, 'C')
	if !short || strings.HasPrefix(letters, "-") || at < 0 || strings.ContainsAny(letters[:at], f.valued) {
		return "", false, false
	}
	return letters[at+1:], at+1 == len(letters), true
}

// split returns the folders that words name, "" for one that is not known, and the other words.
func (f folderOption) split(words []string) (dirs, others []string) {
	for i := 0; i < len(words); i++ {
		dir, next, ok := f.at(words[i])
		switch {
		case !ok:
			others = append(others, words[i])
			continue
		case next && i+1 < len(words):
			i++
			dir = words[i]
		}
		dirs = append(dirs, dir)
	}
	return dirs, others
}

// names returns what the words of a call may name: its program only by a relative path.
func (c call) names(isFolder func(path string) bool) (list []mention) {
	if name := c.words[0]; strings.Contains(name, "/") && !filepath.IsAbs(name) {
		list = append(list, mention{path: c.at(name), by: record.ByWord})
	}
	return append(list, c.namesAfter(isFolder)...)
}

// mostWrappers is how many wrappers are looked into, one within the other.
const mostWrappers = 5

// namesAfter returns what the words after the first may name.
func (c call) namesAfter(isFolder func(path string) bool) (list []mention) {
	for range mostWrappers {
		next := c.wrapped()
		if len(next.words) == 0 {
			break
		}
		_, own := envFolder.split(c.words[1 : len(c.words)-len(next.words)])
		list = append(append(list, c.ofWords(own)...), next.ofWords(next.words[:1])...)
		c = next
	}
	return append(list, c.namesOf(c.words[1:], isFolder)...)
}

// namesOf returns what the words of a call that wraps no other may name.
func (c call) namesOf(words []string, isFolder func(path string) bool) []mention {
	name := filepath.Base(c.words[0])
	if f, ok := movers[name]; ok {
		dirs, others := f.split(words)
		return c.in(dirs...).ofWords(others)
	}
	switch name {
	case "git":
		rest := ofGit.rest(words)
		dirs, own := folderOfGit.split(words[:len(words)-len(rest)])
		return c.in(dirs...).ofWords(slices.Concat(own, rest))
	case "tar", "gtar", "bsdtar":
		return c.ofTar(words)
	}
	c.moved = c.moved || c.mayMove(words, isFolder)
	return c.ofWords(words)
}

// mayMove reports whether words of any program seem to name another folder for relative names.
func (c call) mayMove(words []string, isFolder func(path string) bool) bool {
	for i, word := range words {
		name, _, _ := strings.Cut(word, "=")
		if name == "--directory" || name == "--chdir" || word == "-C" && i+1 < len(words) && (words[i+1] == "" || isFolder(c.at(words[i+1]))) {
			return true
		}
	}
	return false
}

// tarFlags are long options of tar after which the next word is no value.
const tarFlags = " --append --auto-compress --bzip2 --create --dereference --extract --get --gzip --list --totals --update --verbose --xz --zstd "

// ofTar returns what the words of tar may name. Each folder is that of the words after it, but the
// archive is where tar was called. Of options after a folder it is not certain.
func (c call) ofTar(words []string) (list []mention) {
	now := c
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") && strings.Contains(words[0], "C") { // the oldest form: tar cfC FILE DIR
		now.moved = true
	}
	for i := 0; i < len(words); i++ {
		word := words[i]
		dir, isFolder, ok := tarFolder.at(word)
		last, takes := options{valued: tarFolder.valued}.short(strings.TrimPrefix(word, "-"))
		isShort := len(word) > 1 && word[0] == '-' && word[1] != '-'
		switch {
		case ok && isFolder && i+1 < len(words):
			i++
			now = now.in(words[i])
		case ok:
			now = now.in(dir)
		case isShort && !last && takes && strings.HasSuffix(word, "f") || word == "--file":
			list = append(list, c.ofWords(words[i+1:min(i+2, len(words))])...)
			i++
		case strings.HasPrefix(word, "--file="):
			list = append(list, c.ofWords([]string{word})...)
		case now.dir == c.dir && now.moved == c.moved: // no folder was named yet
			list = append(list, c.ofWords([]string{word})...)
		case isShort && takes || strings.HasPrefix(word, "--") && !strings.Contains(word, "=") && !strings.Contains(tarFlags, " "+word+" "):
			i++
		case !strings.HasPrefix(word, "-"):
			list = append(list, now.ofWords([]string{word})...)
		}
	}
	return list
}

// ofWords returns what words may name: a file, or the value of an option, --in=FILE or if=FILE.
func (c call) ofWords(words []string) (list []mention) {
	for _, word := range words {
		list = append(list, mention{path: c.at(word), by: record.ByWord})
		if _, value, ok := strings.Cut(word, "="); ok {
			list = append(list, mention{path: c.at(value), by: record.ByOption})
		}
	}
	return list
}
