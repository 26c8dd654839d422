package queue

import (
	"os"
	"strings"
)

// A Place is where tasks start: a machine, or an allocation of a scheduler, whose tasks end with it.
type Place struct {
	Host string
	// Slurm is the number of the allocation, "" for none.
	Slurm string
}

// allocation precedes the number of a Slurm job in the text of a place.
const allocation = ":slurm-"

// Here returns where this process is.
func Here() Place {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return Place{Host: host, Slurm: os.Getenv("SLURM_JOB_ID")}
}

// String returns the text of a place, as entries have it.
func (p Place) String() string {
	if p.Slurm == "" {
		return p.Host
	}
	return p.Host + allocation + p.Slurm
}

// ParsePlace is the inverse of String.
func ParsePlace(text string) Place {
	host, job, _ := strings.Cut(text, allocation)
	return Place{Host: host, Slurm: job}
}

// fileName returns a part of a file's name for a place.
func (p Place) fileName() string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' {
			return '_'
		}
		return r
	}, p.String())
}
