package mirror

import (
	"cmp"

	"qme/record"
)

// softwareColumns are those of the software of a run, whose lists are no columns: of its program,
// the interpreter of it, the environments with its packages, and the container that it ran in or
// started.
func softwareColumns() []column {
	of := func(name string, value func(*record.Software) string) column {
		return column{name, record.Text, 2, func(r *record.Record) any {
			if r.Data.Software == nil || value(r.Data.Software) == "" {
				return nil
			}
			return value(r.Data.Software)
		}}
	}
	program := func(s *record.Software) (p record.Program) {
		if len(s.Programs) > 0 {
			p = s.Programs[0]
		}
		return p
	}
	return []column{
		of("program", func(s *record.Software) string { return program(s).Path }),
		of("program_sha256", func(s *record.Software) string {
			if p := program(s); !p.Partial {
				return p.SHA256
			}
			return ""
		}),
		of("interpreter", func(s *record.Software) string { return program(s).Interpreter }),
		of("environment", environmentOf),
		of("container", containerOf),
	}
}

// environmentOf returns the folder of the environment of packages that the command used, as far as
// that is known: one that is active, or that of a program.
func environmentOf(s *record.Software) string {
	for _, kind := range []string{record.EnvVenv, record.EnvConda, record.EnvPython, record.EnvR} {
		for _, e := range s.Environments {
			if e.Kind == kind {
				return e.Path
			}
		}
	}
	return ""
}

// containerOf returns the image of the container, or what else is known of it.
func containerOf(s *record.Software) string {
	list := s.Images
	if s.Container != nil {
		list = append([]record.Container{*s.Container}, list...)
	}
	if len(list) == 0 {
		return ""
	}
	return cmp.Or(list[0].Image, list[0].Name, list[0].ID, list[0].Kind)
}
