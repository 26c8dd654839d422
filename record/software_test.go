package record

import (
	"errors"
	"strings"
	"testing"
)

// TestSoftwareCheck refuses software and machines that no run of qme records.
func TestSoftwareCheck(t *testing.T) {
	t.Parallel()
	long, path := strings.Repeat("x", longestText+1), strings.Repeat("x", longestPath+1)
	good := func() *Software {
		return &Software{
			Programs:     []Program{{Path: "/bin/x", SHA256: strings.Repeat("a", 64)}},
			Environments: []Environment{{Kind: EnvConda, Path: "/env", Packages: 3}},
			Modules:      []string{"gcc/12"}, Container: &Container{Kind: "docker"}, Images: []Container{{Kind: "docker", Image: "x"}}, NotRecorded: []string{"x"},
		}
	}
	for name, change := range map[string]func(s *Software){
		"programs": func(s *Software) { s.Programs = make([]Program, MostPrograms+1) }, "environments": func(s *Software) { s.Environments = make([]Environment, MostEnvironments+1) },
		"modules": func(s *Software) { s.Modules = make([]string, MostModules+1) }, "images": func(s *Software) { s.Images = make([]Container, MostImages+1) },
		"reasons": func(s *Software) { s.NotRecorded = make([]string, MostEnvironments+1) }, "no path": func(s *Software) { s.Programs[0].Path = "" },
		"a path": func(s *Software) { s.Programs[0].Real = path }, "a size": func(s *Software) { s.Programs[0].Size = -1 }, "a hash": func(s *Software) { s.Programs[0].SHA256 = "x" },
		"packages": func(s *Software) { s.Environments[0].Packages = -1 }, "left out": func(s *Software) { s.Environments[0].LeftOut = -1 }, "a kind": func(s *Software) { s.Environments[0].Kind = long },
		"a module": func(s *Software) { s.Modules[0] = long }, "a container": func(s *Software) { s.Container.ID = long }, "an image": func(s *Software) { s.Images[0].Image = path },
	} {
		s := good()
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
		if change(s); !errors.Is(s.check(), ErrInvalid) {
			t.Errorf("%s: %v", name, s.check())
		}
	}
	for _, m := range []Machine{{GPUs: make([]string, MostGPUs+1)}, {GPUs: []string{long}}, {GPUDriver: path + path}} {
		if err := m.check(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v", err)
		}
	}
}
