package software

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// conda lists the packages of an environment of conda: those that conda has installed, by the names
// of its files, NAME-VERSION-BUILD.json, and those that pip has added. The files are not read.
func (l *listing) conda(prefix string) error {
	files, err := l.names(filepath.Join(prefix, "conda-meta"))
	if err != nil {
		return err
	}
	version := ""
	known := map[string]bool{} // NAME VERSION
	for _, file := range files {
		name, ok := strings.CutSuffix(file, ".json")
		if !ok || strings.HasPrefix(file, ".") {
			continue
		}
		p, ok := condaPackage(name)
		if !ok {
			l.leftOut++
			continue
		}
		known[canonical(p.Name)+" "+p.Version] = true
		if p.Name == "python" {
			l.python, version = p.Version, pythonVersion(p.Version)
		}
		l.add(p)
	}
	if version == "" {
		return nil
	}
	return l.sites([]string{sitePackages(prefix, "python", version)}, known)
}

func condaPackage(s string) (Package, bool) {
	rest, build, ok := cutLast(s, "-")
	if !ok {
		return Package{}, false
	}
	name, version, ok := cutLast(rest, "-")
	return Package{Name: name, Version: version, Build: build}, ok && word(name, 128, "_.-") && word(version, 128, "_.+!") && word(build, 128, "_.+")
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// venv lists the packages of a virtual environment, and those of its Python if it uses them.
func (l *listing) venv(prefix string) error {
	cfg := filepath.Join(prefix, "pyvenv.cfg")
	l.look(cfg)
	text, err := readFile(cfg)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, "=")
		values[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	full := values["version_info"] // of virtualenv and uv, whose version may be their own
	if full == "" {
		full = values["version"]
	}
	version, name := pythonVersion(full), "python"
	if version == "" {
		return errNotRead
	}
	if word(full, 40, ".+") {
		l.python = strings.TrimSuffix(full, ".final.0")
	}
	if strings.EqualFold(values["implementation"], "PyPy") {
		name = "pypy"
	}
	sites := []string{sitePackages(prefix, name, version)}
	if home := values["home"]; strings.EqualFold(values["include-system-site-packages"], "true") && filepath.IsAbs(home) {
		sites = append(sites, systemSites(filepath.Dir(home), version)...)
	}
	return l.sites(sites, nil)
}

// pythonVersion returns the beginning X.Y of a version, "" if it has none.
func pythonVersion(s string) string {
	major, rest, _ := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if !digits(major) || !digits(minor) {
		return ""
	}
	return major + "." + minor
}

func digits(s string) bool { return s != "" && len(s) < 4 && strings.Trim(s, "0123456789") == "" }

func sitePackages(prefix, name, version string) string {
	return filepath.Join(prefix, "lib", name+version, "site-packages")
}

// systemSites returns the folders in which an installation of Python has its packages, also as
// Debian names them.
func systemSites(prefix, version string) []string {
	major, _, _ := strings.Cut(version, ".")
	sites := []string{sitePackages(prefix, "python", version), filepath.Join(prefix, "lib", "python"+major, "dist-packages")}
	if prefix == "/usr" {
		sites = append(sites, filepath.Join("/usr/local/lib", "python"+version, "dist-packages"))
	}
	return sites
}

// sites lists the packages in folders of Python, of which the first wins that has one. A folder that
// is not there has none. Of a conda environment, conda has the packages that are listed already, each
// as NAME VERSION; nil for others.
func (l *listing) sites(dirs []string, conda map[string]bool) error {
	var there []string
	for _, dir := range dirs {
		files, err := l.names(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		there = append(there, dir)
		hidden := map[string]bool{}
		for _, p := range slices.Concat(l.packages, l.editable) {
			hidden[p.Name] = conda == nil
		}
		for _, file := range files {
			if err := l.site(dir, file, conda, hidden); err != nil {
				return err
			}
		}
	}
	if len(there) == 0 && conda == nil {
		return fs.ErrNotExist
	}
	return nil
}

// site adds the package that an entry of a folder of Python stands for, if it stands for one.
func (l *listing) site(dir, file string, conda, hidden map[string]bool) error {
	ext := filepath.Ext(file)
	switch {
	case !slices.Contains([]string{".dist-info", ".egg-info", ".egg-link"}, ext), strings.HasPrefix(file, "~"): // pip leaves ~ when it fails
		return nil
	case ext == ".egg-info" && !strings.Contains(strings.TrimSuffix(file, ext), "-"): // what a build has left, without a version
		return nil
	}
	if err := l.late(); err != nil {
		return err
	}
	p, ok := pythonPackage(strings.TrimSuffix(file, ext), ext)
	if !ok {
		l.leftOut++
		return nil
	}
	at := filepath.Join(dir, file)
	switch {
	case hidden[p.Name], conda != nil && (conda[p.Name+" "+p.Version] || installedByConda(at)):
		return nil
	case conda != nil:
		p.By = "pip"
	}
	switch ext {
	case ".dist-info":
		p.Editable = editable(at)
	case ".egg-link":
		p.Editable = linked(at)
	}
	l.add(p)
	return nil
}

// pythonPackage reads the name of a folder, NAME-VERSION.dist-info or NAME-VERSION-py3.11.egg-info,
// without its end. An egg-link has no version.
func pythonPackage(s, ext string) (Package, bool) {
	if ext == ".egg-link" {
		p := Package{Name: canonical(s)}
		return p, word(p.Name, 128, "-")
	}
	if ext == ".egg-info" {
		if i := strings.LastIndex(s, "-py"); i > 0 {
			s = s[:i]
		}
	}
	name, version, ok := cutLast(s, "-")
	p := Package{Name: canonical(name), Version: version}
	return p, ok && word(p.Name, 128, "-") && word(version, 128, "._+!") && strings.Trim(version[:1], "0123456789v") == ""
}

// canonical returns the name of a Python package by which it is the same in all spellings.
func canonical(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_.", r) }), "-")
}

// installedByConda reports whether a dist-info is one of a package that conda knows by another name.
func installedByConda(dir string) bool {
	by, err := Beginning(filepath.Join(dir, "INSTALLER"), 64)
	return err == nil && strings.TrimSpace(string(by)) == "conda"
}

// editable returns the folder of a package that is installed as editable; nil for another. Of its
// URL (PEP 610) only a path of this machine is taken.
func editable(dir string) *Editable {
	b, err := readFile(filepath.Join(dir, "direct_url.json"))
	if err != nil {
		return nil // most have none
	}
	var from struct {
		URL string `json:"url"`
		Dir struct {
			Editable bool `json:"editable"`
		} `json:"dir_info"`
	}
	if json.Unmarshal(b, &from) != nil || !from.Dir.Editable {
		return nil
	}
	u, err := url.Parse(from.URL)
	if err != nil || u.Scheme != "file" || u.User != nil || u.Host != "" && u.Host != "localhost" {
		return &Editable{}
	}
	return at(u.Path)
}

// linked returns the folder that an egg-link names in its first line.
func linked(file string) *Editable {
	b, err := Beginning(file, 4096)
	if err != nil {
		return &Editable{}
	}
	path, _, _ := strings.Cut(string(b), "\n")
	return at(strings.TrimSpace(path))
}

// at returns the Editable in a folder, without a path that is none.
func at(path string) *Editable {
	if !filepath.IsAbs(path) || len(path) > 4096 || !utf8.ValidString(path) || strings.ContainsAny(path, "\x00\n") {
		return &Editable{}
	}
	return &Editable{Path: filepath.Clean(path)}
}
