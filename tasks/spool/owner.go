package spool

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// An owner identifies the process that records a run, and is stored in the lock file of its
// entry. The zero value names no process.
type owner struct {
	Host  string `json:"host"`
	Boot  string `json:"boot"`            // identifies the boot of the machine
	Space string `json:"pidns,omitempty"` // namespace of PID
	PID   int    `json:"pid"`
	Start string `json:"start"` // start time of the process, only to be compared
}

// self returns the owner for this process. Fields that the system does not provide are empty.
func self() owner {
	o := owner{Boot: bootID(), Space: pidSpace(), PID: os.Getpid()}
	if host, err := os.Hostname(); err == nil {
		o.Host = host
	}
	if start, _, err := processStart(o.PID); err == nil {
		o.Start = start
	}
	return o
}

// write writes the owner to an empty lock file, and allocates the space for the end of the run.
func (o owner) write(f afero.File) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if len(b) >= endAt {
		b = nil // not a real host name; the lock itself is enough
	}
	_, err = f.WriteAt(slices.Concat(padded(b, endAt), padded(nil, lossAt-endAt), padded(nil, lockSize-lossAt)), 0)
	return err
}

// disown clears the owner in a lock file without changing the size of the file.
func disown(f afero.File) error {
	_, err := f.WriteAt(padded(nil, endAt), 0)
	return err
}

// readOwner returns the owner that a lock file names. It is the zero owner if the file is
// empty, or damaged by a power cut.
func readOwner(f afero.File) (owner, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, endAt))
	if err != nil {
		return owner{}, err
	}
	var o owner
	if json.Unmarshal(b, &o) != nil || o.PID <= 0 {
		return owner{}, nil
	}
	return o, nil
}

// A verdict says whether the process that records a run is alive.
type verdict int

const (
	dead    verdict = iota // no process records the run
	alive                  // a process records the run
	unknown                // cannot be determined on this machine
)

// verdict returns whether o is alive. As far as this machine can see, its lock (the file f) is
// not held. locked says that the file system has locks.
func (o owner) verdict(me owner, f afero.File, locked bool) verdict {
	sameHost := o.Host == me.Host && o.Host != ""
	known := o.Boot != "" && me.Boot != ""
	switch {
	case o == owner{}:
		return dead
	case known && o.Boot == me.Boot || !known && sameHost:
		return o.here(me, locked)
	case known && sameHost:
		return dead // the machine was restarted
	case locked && onlyHere(f):
		return dead // the machine was renamed, or the home was copied
	}
	return unknown
}

// here is verdict for an owner on this machine.
func (o owner) here(me owner, locked bool) verdict {
	if o.Space == me.Space {
		if v := o.look(); v != unknown {
			return v
		}
	}
	if locked {
		return dead // locks work across containers
	}
	return unknown
}

// gone reports whether o is a process of this machine that has certainly ended.
func (o owner) gone(me owner) bool {
	return o != owner{} && o.Boot != "" && o.Boot == me.Boot && o.Space == me.Space && o.look() == dead
}

// look checks for the process by its id and start time.
func (o owner) look() verdict {
	if err := unix.Kill(o.PID, 0); errors.Is(err, unix.ESRCH) {
		return dead
	}
	start, ended, err := processStart(o.PID)
	switch {
	case err != nil || o.Start == "":
		return unknown // for example, /proc hides processes of other users
	case ended || start != o.Start:
		return dead
	}
	return alive
}
