package provenance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/intime"
	"qme/internal/regular"
	"qme/record"
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
	cache  func() *cache // opened when it is first asked

	hashed atomic.Int64 // bytes

	mu   sync.Mutex
	done map[hashed]digest
}

// A hashed is a file as it was at one moment.
type hashed struct {
	path  string
	state state
}

func keyOf(path string, s *state) hashed { return hashed{path, *s} }

func newHashing(l Limits) *hashing {
	h := &hashing{limits: l, left: l.Run, slots: make(chan struct{}, hashers), done: map[hashed]digest{}}
	h.cache = sync.OnceValue(func() *cache { return openCache(l.Cache) })
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// add begins to hash a file, if it is still in a state.
func (h *hashing) add(path string, s *state) {
	if h == nil || s.absent || h.limits.File <= 0 && !h.limits.All {
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
	partial, ok := h.budget(s.size)
	if !ok {
		return
	}
	h.wg.Go(func() {
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		case <-h.ctx.Done():
			return
		}
		if secret(path) {
			return
		}
		sum := h.sum(path, s, partial)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.done[key] = digest{sum, partial && sum != ""}
	})
}

// budget reports whether a file may be hashed, and if so, whether only in part.
func (h *hashing) budget(size int64) (partial, ok bool) {
	if h.limits.All {
		return false, true
	}
	partial = size > 2*end && (size > h.limits.File || size > h.left)
	if partial {
		size = 2 * end
	}
	h.left -= size
	return partial, h.left >= -2*end*record.MostFiles // of each file a part, even where there are many
}

// secrets are names of files that hold secrets, some of them so short that a hash would give them
// away.
var secrets = []string{".env*", ".netrc", ".pgpass", ".htpasswd", ".git-credentials", "*.pem", "*.key", "*.p12", "*.pfx", "id_*", "credentials", "shadow"}

// secret reports whether a file has the name of one that holds a secret, by its own name or by that
// to which it links.
func secret(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return true // it is gone
	}
	return slices.ContainsFunc([]string{path, real}, func(p string) bool {
		name := strings.ToLower(filepath.Base(p))
		return slices.ContainsFunc(secrets, func(pattern string) bool {
			ok, err := filepath.Match(pattern, name)
			return ok && err == nil
		})
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
	intime.Within(time.Until(deadline), func() struct{} { h.wg.Wait(); return struct{}{} })
}

// wait waits for all hashes, and gives up those that are not done when a context ends.
func (h *hashing) wait(ctx context.Context, show func(bytes int64)) {
	if h == nil {
		return
	}
	defer h.cancel()
	done := make(chan struct{})
	go func() { h.wg.Wait(); close(done) }()
	tick := time.NewTicker(showEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			if show != nil {
				show(h.hashed.Load())
			}
		}
	}
}

// showEvery is the time between two reports of progress.
const showEvery = 100 * time.Millisecond

// sum returns the hash of a file that is in a state before and afterwards, "" otherwise.
func (h *hashing) sum(path string, want *state, partial bool) string {
	sum, err := h.read(path, want, partial)
	if err != nil {
		return "" // the file is listed without
	}
	return sum
}

// errChanged says that a file is not what it was.
var errChanged = errors.New("it has changed while it was read")

// read returns the hash of a file that is in a state before and afterwards.
func (h *hashing) read(path string, want *state, partial bool) (string, error) {
	cache := h.cache()
	if known := cache.get(want, partial); known != "" {
		return known, nil
	}
	f, err := regular.OpenIf(path, want.still)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	parts := []io.Reader{io.NewSectionReader(f, 0, want.size)}
	if partial {
		parts = []io.Reader{io.NewSectionReader(f, 0, end), io.NewSectionReader(f, want.size-end, end)}
	}
	n, err := io.CopyBuffer(onlyWriter{sum}, &stoppable{h, io.MultiReader(parts...)}, make([]byte, piece))
	wanted := want.size
	if partial {
		wanted = 2 * end
	}
	switch {
	case err != nil:
		return "", err
	case n != wanted || !unchanged(f, want):
		return "", errChanged
	}
	hash := hex.EncodeToString(sum.Sum(nil))
	cache.put(want, partial, hash)
	return hash, nil
}

func unchanged(f *os.File, want *state) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && want.still(&st)
}

// An onlyWriter has io.CopyBuffer use its buffer.
type onlyWriter struct{ io.Writer }

// A stoppable reads until the hashing ends.
type stoppable struct {
	h *hashing
	r io.Reader
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.h.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	s.h.hashed.Add(int64(n))
	return n, err
}
