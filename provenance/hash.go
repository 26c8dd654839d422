package provenance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// end is how many bytes of the beginning and of the end of a large file are hashed.
	end = 1 << 20
	// hashers is how many files are hashed at once.
	hashers = 2
	// piece is how many bytes are read at once.
	piece = 256 << 10
)

// A digest is the hash of a file, "" if it is not known.
type digest struct {
	sha256  string
	partial bool
}

// A hashing hashes files in the background, each as it was at one moment. Its methods are for one
// goroutine, and may be called on nil, which knows no hash.
type hashing struct {
	limits Limits
	ctx    context.Context
	cancel context.CancelFunc
	left   int64 // of limits.Run
	slots  chan struct{}
	wg     sync.WaitGroup

	mu   sync.Mutex
	done map[hashed]digest
}

// A hashed is a file as it was at one moment.
type hashed struct {
	path  string
	ino   inode
	size  int64
	mtime int64
}

func keyOf(path string, s *state) hashed { return hashed{path, s.inode, s.size, s.mtime.UnixNano()} }

func newHashing(l Limits) *hashing {
	h := &hashing{limits: l, left: l.Run, slots: make(chan struct{}, hashers), done: map[hashed]digest{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// add begins to hash a file, if it is still in a state.
func (h *hashing) add(path string, s *state) {
	if h == nil || s.absent || h.limits.File <= 0 || secret(path) {
		return
	}
	key := keyOf(path, s)
	h.mu.Lock()
	_, known := h.done[key]
	if !known {
		h.done[key] = digest{}
	}
	h.mu.Unlock()
	if known {
		return
	}
	partial := s.size > 2*end && (s.size > h.limits.File || s.size > h.left)
	if !partial {
		h.left -= s.size
	}
	h.wg.Go(func() {
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		case <-h.ctx.Done():
			return
		}
		sum := h.sum(path, s, partial)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.done[key] = digest{sum, partial && sum != ""}
	})
}

// secrets are names of files that hold secrets, some of them so short that a hash would give them
// away.
var secrets = []string{".env*", ".netrc", ".pgpass", "*.pem", "*.key", "id_*"}

func secret(path string) bool {
	return slices.ContainsFunc(secrets, func(pattern string) bool {
		ok, err := filepath.Match(pattern, filepath.Base(path))
		return ok && err == nil
	})
}

// of returns the hash of a file in a state.
func (h *hashing) of(path string, s *state) digest {
	if h == nil {
		return digest{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.done[keyOf(path, s)]
}

// finish waits for the hashes, and gives up those that are not done at the deadline.
func (h *hashing) finish(deadline time.Time) {
	if h == nil {
		return
	}
	defer h.cancel()
	done := make(chan struct{})
	go func() { h.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Until(deadline)):
	}
}

// sum returns the hash of a file that is in a state before and afterwards, "" otherwise.
func (h *hashing) sum(path string, want *state, partial bool) string {
	// Without waiting: it may have become a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if !unchanged(f, want) {
		return ""
	}
	sum := sha256.New()
	parts := []io.Reader{io.NewSectionReader(f, 0, want.size)}
	if partial {
		parts = []io.Reader{io.NewSectionReader(f, 0, end), io.NewSectionReader(f, want.size-end, end)}
	}
	n, err := io.CopyBuffer(onlyWriter{sum}, &stoppable{h.ctx, io.MultiReader(parts...)}, make([]byte, piece))
	if wanted := want.size; err != nil || !partial && n != wanted || partial && n != 2*end || !unchanged(f, want) {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func unchanged(f *os.File, want *state) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	now := stateFrom(info)
	return now != nil && now.same(want)
}

// An onlyWriter has io.CopyBuffer use its buffer.
type onlyWriter struct{ io.Writer }

// A stoppable reads until its context ends.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}
