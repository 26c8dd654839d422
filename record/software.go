package record

import "fmt"

// Software is what a run was made with, as far as that can be told without starting or tracing a
// program. Its texts are for display and comparison; no path in it is ever opened.
type Software struct {
	// Programs are the program of the command, those that its line for the shell names, and the
	// interpreters of scripts among them.
	Programs []Program `json:"programs,omitempty"`
	// Environments are those of the programs and the ones that were active. Their packages are in
	// PartEnv, in the same order.
	Environments []Environment `json:"environments,omitempty"`
	// Modules are the loaded environment modules, in the order in which they were loaded.
	Modules []string `json:"modules,omitempty"`
	// Container is the one in which the command ran; nil for none that is known.
	Container *Container `json:"container,omitempty"`
	// Images are those of the containers that the command line starts.
	Images []Container `json:"images,omitempty"`
	// NotRecorded says what is missing, and why.
	NotRecorded []string `json:"not_recorded,omitempty"`
}

// A Program is an executable file as it was when the run began.
type Program struct {
	Path string `json:"path"`
	Real string `json:"real,omitempty"` // without symbolic links, if that is another path
	Size int64  `json:"size"`
	// SHA256 and Partial are as in File.
	SHA256  string `json:"sha256,omitempty"`
	Partial bool   `json:"partial,omitempty"`
	// Interpreter is the program that a script names in its first line; empty for none.
	Interpreter string `json:"interpreter,omitempty"`
}

// The kinds of an Environment.
const (
	EnvConda  = "conda"  // a conda environment
	EnvVenv   = "venv"   // a virtual environment of Python
	EnvPython = "python" // an installation of Python
	EnvUser   = "user"   // the packages of the user for an installation of Python
	EnvR      = "R"      // a library of R
)

// An Environment is a folder with packages.
type Environment struct {
	Kind string `json:"kind"`
	Path string `json:"path"`
	// By is why it is listed: "program", or the variable that names it.
	By       string `json:"by"`
	Python   string `json:"python,omitempty"` // the version, where it is known
	Packages int    `json:"packages"`         // how many are listed
	// LeftOut is how many more there were: too many, or with names that are not listed.
	LeftOut int `json:"left_out,omitempty"`
	// NotRecorded says why the packages are not listed; empty if they are.
	NotRecorded string `json:"not_recorded,omitempty"`
}

// A Container is one that a command ran in, or has started. What was not recorded is empty.
type Container struct {
	Kind  string `json:"kind"`            // "docker", "podman", "apptainer", ...
	Image string `json:"image,omitempty"` // a reference or a path, without credentials
	Name  string `json:"name,omitempty"`
	ID    string `json:"id,omitempty"`
}

// Limits of the lists of Software.
const (
	MostPrograms     = 20
	MostEnvironments = 8
	MostModules      = 200
	MostImages       = 10
)

// longestText bounds the texts of Software that are no paths.
const longestText = 500

func (s *Software) check() error {
	if s == nil {
		return nil
	}
	for _, l := range []struct {
		name     string
		has, may int
	}{
		{"programs", len(s.Programs), MostPrograms}, {"environments", len(s.Environments), MostEnvironments}, {"modules", len(s.Modules), MostModules},
		{"images", len(s.Images), MostImages}, {"not_recorded", len(s.NotRecorded), MostEnvironments},
	} {
		if l.has > l.may {
			return fmt.Errorf("%w software: %s has %d entries, and at most %d are allowed", ErrInvalid, l.name, l.has, l.may)
		}
	}
	for _, p := range s.Programs {
		if p.Path == "" || len(p.Path) > longestPath || len(p.Real) > longestPath || len(p.Interpreter) > longestPath || p.Size < 0 || p.SHA256 != "" && !IsSHA256(p.SHA256) {
			return fmt.Errorf("%w software: the path, size or hash of %.60q", ErrInvalid, p.Path)
		}
	}
	for _, e := range s.Environments {
		if len(e.Path) > longestPath || e.Packages < 0 || e.LeftOut < 0 || tooLong(e.Kind, e.By, e.Python, e.NotRecorded) {
			return fmt.Errorf("%w software: the environment %.60q", ErrInvalid, e.Path)
		}
	}
	containers := s.Images
	if s.Container != nil {
		containers = append([]Container{*s.Container}, containers...)
	}
	for _, c := range containers {
		if len(c.Image) > longestPath || tooLong(c.Kind, c.Name, c.ID) {
			return fmt.Errorf("%w software: the container %.60q", ErrInvalid, c.Image)
		}
	}
	if tooLong(s.Modules...) || tooLong(s.NotRecorded...) {
		return fmt.Errorf("%w software: a text is longer than %d bytes", ErrInvalid, longestText)
	}
	return nil
}

func tooLong(texts ...string) bool {
	for _, t := range texts {
		if len(t) > longestText {
			return true
		}
	}
	return false
}
