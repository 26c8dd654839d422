// Package inlet passes a pipe on to a command, and counts and hashes what passes, if that cannot
// take anything from another process: only if no other process can read from the pipe any more.
// Whatever comes through such a pipe is for the command alone, so it does not matter that it is
// read before the command asks for it.
//
// The bytes are moved by splice(2) from pipe to pipe. So there is never a byte that this process
// has read and the command cannot get: another process can continue at any moment.
package inlet

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"time"
)

// The reasons for which a pipe is left alone, as docs/format.md has them.
const (
	// Shared: another process can read from the pipe, too.
	Shared = "shared"
	// Unknown: it cannot be found out whether another process can read from it.
	Unknown = "unknown"
)

// A Passed says what has passed through an Inlet.
type Passed struct {
	Size int64 // bytes
	// SHA256 is the hash of these bytes in hexadecimal. It is empty if hashing would have slowed
	// down the command.
	SHA256 string
	// Whole says that the pipe has come to its end. Otherwise the command has ended or closed its
	// input before, and the rest is not known.
	Whole bool
}

// A Guard makes another process ready to continue to copy from src to dst if this one is killed.
// unguard lets that process go. It is called from the goroutine of the Inlet.
type Guard func(src, dst int) (unguard func())

// guardAfter is how long an Inlet must have been needed for a Guard to be called, since it costs a
// process.
const guardAfter = time.Second

const (
	// chunk is how much is hashed at a time, and chunks is how many of these wait for that.
	chunk  = 64 << 10
	chunks = 16
	// patience is how long the command may have waited for hashes in all, with a part of the time
	// since the beginning: one of share.
	patience = 50 * time.Millisecond
	share    = 20
)

// A hashing hashes chunks in a goroutine of its own, and gives up if the command would have to
// wait for it.
type hashing struct {
	sum        hash.Hash
	keep       io.Writer // gets the same bytes; nil for none
	free, full chan []byte
	done       chan struct{}
	began      time.Time
	waited     time.Duration
	patience   time.Duration
}

func newHashing(keep io.Writer) *hashing {
	return &hashing{sum: sha256.New(), keep: keep, patience: patience}
}

// add hashes a chunk at once.
func (h *hashing) add(b []byte) {
	h.sum.Write(b)
	if h.keep != nil {
		_, _ = h.keep.Write(b) // what is kept is the writer's concern
	}
}

// start makes further chunks be hashed in the background.
func (h *hashing) start() {
	h.began = time.Now()
	free, full, done := make(chan []byte, chunks), make(chan []byte, chunks), make(chan struct{})
	for range chunks {
		free <- nil // made when it is first used
	}
	h.free, h.full, h.done = free, full, done
	go func() {
		defer close(done)
		for b := range full {
			h.add(b)
			free <- b
		}
	}()
}

// buffer returns a buffer of size chunk, or nil if hashing is too slow.
func (h *hashing) buffer() []byte {
	var b []byte
	select {
	case b = <-h.free:
	default:
		begin := time.Now()
		b = <-h.free
		h.waited += time.Since(begin)
		if h.waited > h.patience+time.Since(h.began)/share {
			return nil
		}
	}
	if b == nil {
		b = make([]byte, chunk)
	}
	return b[:chunk]
}

// finish waits for the background. It may be called several times.
func (h *hashing) finish() {
	if h.full != nil {
		close(h.full)
		h.full = nil
		<-h.done
	}
}

func (h *hashing) text() string { return hex.EncodeToString(h.sum.Sum(nil)) }
