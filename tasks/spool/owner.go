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

// An owner names the process that records a run, as the lock of its entry does. The
// zero value is nobody.
type owner struct {
	Host  string `json:"host"`
	Boot  string `json:"boot"`            // names the machine since it was started
	Space string `json:"pidns,omitempty"` // in which the number counts
	PID   int    `json:"pid"`
	Start string `json:"start"` // when the process began, to be compared only
}

// self returns the owner that this process is. What the system does not tell is
// left out.
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

// write puts the owner into an empty lock file, and takes the room for how the run ends.
func (o owner) write(f afero.File) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if len(b) >= endAt {
		b = nil // nobody has such a host name; the lock itself still tells
	}
	_, err = f.WriteAt(slices.Concat(padded(b, endAt), padded(nil, lossAt-endAt), padded(nil, lockSize-lossAt)), 0)
	return err
}

// disown makes a lock file that names nobody, without a change of its size.
func disown(f afero.File) error {
	_, err := f.WriteAt(padded(nil, endAt), 0)
	return err
}

// readOwner returns whom a lock file names: nobody where it is empty, or damaged as
// after a power cut.
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

// A verdict says what is known of the process that records a run.
type verdict int

const (
	dead    verdict = iota // nobody records the run
	alive                  // a process does
	unknown                // this cannot be told from here
)

// verdict judges an owner whose lock, the file f, is not held as far as this machine
// can see. locked says that this file system has locks.
func (o owner) verdict(me owner, f afero.File, locked bool) verdict {
	sameHost := o.Host == me.Host && o.Host != ""
	known := o.Boot != "" && me.Boot != ""
	switch {
	case o == owner{}:
		return dead
	case known && o.Boot == me.Boot || !known && sameHost:
		return o.here(me, locked)
	case known && sameHost:
		return dead // the machine has been started anew
	case locked && onlyHere(f):
		return dead // the machine had another name, or the home was copied
	}
	return unknown
}

// here judges an owner on this machine.
func (o owner) here(me owner, locked bool) verdict {
	if o.Space == me.Space {
		if v := o.look(); v != unknown {
			return v
		}
	}
	if locked {
		return dead // locks reach into other containers
	}
	return unknown
}

// gone reports whether the process of this machine has certainly ended.
func (o owner) gone(me owner) bool {
	return o != owner{} && o.Boot != "" && o.Boot == me.Boot && o.Space == me.Space && o.look() == dead
}

// look looks for the process.
func (o owner) look() verdict {
	if err := unix.Kill(o.PID, 0); errors.Is(err, unix.ESRCH) {
		return dead
	}
	start, ended, err := processStart(o.PID)
	switch {
	case err != nil || o.Start == "":
		return unknown // as where /proc hides other users' processes
	case ended || start != o.Start:
		return dead
	}
	return alive
}
