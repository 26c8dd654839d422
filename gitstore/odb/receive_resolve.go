package odb

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// A resolver gives objects their names. Each is for one goroutine.
type resolver struct {
	r       *receiver
	sum     hash.Hash
	head    []byte
	links   links
	named   int // since the last report
	frames  []frame
	lowest  int   // the frames before it hold no content
	held    int64 // bytes of content
	scratch []byte
	mem     bytes.Reader
	in      inflating
}

// A frame is an object some deltas to which are still to be resolved.
type frame struct {
	at      int32
	content []byte // nil when there was no room for it: see reload
	child   int32  // the next delta by offset
	ref, to int32  // the next delta by name, and the end of these
}

// heldBases bounds the bytes of bases that resolvers hold.
const heldBases = 32 << 20

func (r *receiver) newResolver() *resolver {
	return &resolver{r: r, sum: sha1.New(), links: newLinks(r)}
}

// inflateSmall inflates an entry that is small and all in the buffer. It returns
// nil when it is not; then nothing has been read. The result is valid until the
// next call.
func (w *resolver) inflateSmall(a *packStream, e entry) ([]byte, error) {
	if e.size > smallEntry {
		return nil, nil
	}
	a.peek(int(e.size) + maxGrowth)
	w.mem.Reset(a.buf[a.pos:a.end])
	z, err := getInflater(&w.mem)
	if err != nil {
		return nil, err
	}
	w.in = inflating{z: z, left: e.size}
	defer w.in.Close()
	if w.scratch == nil {
		w.scratch = make([]byte, smallEntry+1)
	}
	// One byte more is asked for than there may be, so the end is always reached;
	// inflating says so when there are fewer.
	n, err := io.ReadFull(&w.in, w.scratch[:e.size+1])
	if errors.Is(err, record.ErrCorrupt) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil // more may come
		}
		return nil, err
	}
	if int64(n) > e.size {
		return nil, errors.New("larger than its header says")
	}
	a.skip(a.end - a.pos - w.mem.Len())
	return w.scratch[:n], nil
}

// beginHash begins the name of an object: the SHA-1 of its type, size and content.
func (w *resolver) beginHash(kind plumbing.ObjectType, size int64) {
	w.head = append(append(w.head[:0], kind.String()...), ' ')
	w.head = append(strconv.AppendInt(w.head, size, 10), 0)
	w.sum.Reset()
	w.sum.Write(w.head)
}

func (w *resolver) endHash() (h plumbing.Hash) {
	w.sum.Sum(h[:0])
	return h
}

func (w *resolver) hashStream(kind plumbing.ObjectType, size int64, from io.Reader) (plumbing.Hash, error) {
	w.beginHash(kind, size)
	_, err := io.Copy(w.sum, from)
	return w.endHash(), err
}

// name gives the object in a slot its name and checks its content.
func (w *resolver) name(at int32, kind plumbing.ObjectType, content []byte) error {
	w.beginHash(kind, int64(len(content)))
	w.sum.Write(content)
	s := w.r.slots.at(at)
	s.hash, s.kind = w.endHash(), kind
	if err := w.r.local.compare(s.hash, kind, content); err != nil {
		return &ownError{err}
	}
	if kind == plumbing.BlobObject {
		return nil
	}
	if err := w.links.of(kind, content); err != nil {
		return fmt.Errorf("%s %s: %w", kind, s.hash, err)
	}
	return w.r.check(s.hash, kind, content)
}

// resolve is the second pass: several resolvers share the whole objects and do the
// deltas that rest on them. It returns all resolvers, first among them.
func (r *receiver) resolve(ctx context.Context, first *resolver) ([]*resolver, error) {
	r.sortRefs()
	all := []*resolver{first}
	for len(all) < min(runtime.GOMAXPROCS(0), int(r.slots.n/chunkSlots)+1) {
		all = append(all, r.newResolver())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for _, w := range all {
		wait.Go(func() {
			if err := w.work(ctx, &next, len(all)); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return all, r.unresolved()
}

// work takes whole objects, some at a time, until there are no more.
func (w *resolver) work(ctx context.Context, next *atomic.Int64, shares int) error {
	const some = 64
	defer func() { w.frames, w.scratch = nil, nil }()
	for {
		from := next.Add(some) - some
		to := min(from+some, int64(w.r.slots.n))
		if from >= to {
			w.r.count(w.named)
			w.named = 0
			return nil
		}
		for at := from; at < to; at++ {
			if err := w.tree(ctx, int32(at), heldBases/int64(shares)); err != nil {
				return err
			}
		}
	}
}

// tree resolves all deltas that rest on a whole object, depth first, so that bases
// are at hand. The last delta to an object is done when that is not held any more,
// so a chain needs no more than two objects at a time.
func (w *resolver) tree(ctx context.Context, root int32, room int64) error {
	s := w.r.slots.at(root)
	if s.delta || !w.push(root) {
		return nil
	}
	for n := 0; len(w.frames) > 0; n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		top := len(w.frames) - 1
		base, err := w.content(top, room)
		if err != nil {
			return err
		}
		parent := w.frames[top].at
		child, err := w.nextChild(top)
		if err != nil {
			return err
		}
		if f := &w.frames[top]; f.child == none && f.ref == f.to {
			w.pop()
		}
		out, err := w.resolveDelta(parent, child, base)
		if err != nil {
			return err
		}
		if w.push(child) {
			w.hold(len(w.frames)-1, out, room)
		}
	}
	return nil
}

// push makes a frame for an object that has deltas, and reports whether it has.
func (w *resolver) push(at int32) bool {
	s := w.r.slots.at(at)
	f := frame{at: at, child: s.child}
	if len(w.r.refs) > 0 {
		f.ref, f.to = w.r.refsTo(s.hash)
	}
	if f.child == none && f.ref == f.to {
		return false
	}
	w.frames = append(w.frames, f)
	return true
}

func (w *resolver) pop() {
	top := len(w.frames) - 1
	w.held -= int64(len(w.frames[top].content))
	w.frames = w.frames[:top]
	w.lowest = min(w.lowest, top)
}

// nextChild takes the next delta to the object of a frame, which has one.
func (w *resolver) nextChild(i int) (int32, error) {
	f := &w.frames[i]
	if f.child != none {
		at := f.child
		f.child = w.r.slots.at(at).next
		return at, nil
	}
	ref := &w.r.refs[f.ref]
	f.ref++
	if !atomic.CompareAndSwapUint32(&ref.claimed, 0, 1) {
		return none, twice(ref.base)
	}
	w.r.slots.at(ref.at).base = f.at
	return ref.at, nil
}

// resolveDelta makes an object from its delta and its base.
func (w *resolver) resolveDelta(parent, at int32, base []byte) ([]byte, error) {
	p, s := w.r.slots.at(parent), w.r.slots.at(at)
	if s.depth = p.depth + 1; s.depth > maxDepth {
		return nil, fmt.Errorf("object at %d of the pack ends a chain of more than %d deltas: %w", s.off, maxDepth, ErrTooLarge)
	}
	out, err := w.patch(s.off, base)
	if err == nil {
		err = w.r.unpack(int64(len(out)))
	}
	if err != nil {
		return nil, err
	}
	if err := w.name(at, p.kind, out); err != nil {
		return nil, err
	}
	if w.named++; w.named == 1024 {
		w.r.count(w.named)
		w.named = 0
	}
	return out, nil
}

// patch applies the delta that lies at off.
func (w *resolver) patch(off int64, base []byte) ([]byte, error) {
	_, delta, err := w.r.pack.inflate(off)
	if err != nil {
		return nil, err
	}
	out, err := patch(base, delta, func(size int64) error {
		if limit := w.r.inMemory(); size > limit {
			return tooLarge(off, size, limit)
		}
		return w.r.patching(size)
	})
	if errors.Is(err, ErrTooLarge) {
		return nil, err
	} else if err != nil {
		return nil, damaged(off, err)
	}
	return out, nil
}

// content returns the content of a frame's object.
func (w *resolver) content(i int, room int64) ([]byte, error) {
	if b := w.frames[i].content; b != nil {
		return b, nil
	}
	return w.reload(i, room)
}

// hold keeps the content of a frame, and drops that of the lowest frames when there
// is no more room: they will be needed last.
func (w *resolver) hold(i int, content []byte, room int64) {
	w.frames[i].content = content
	w.held += int64(len(content))
	for ; w.held > room && w.lowest < i; w.lowest++ {
		f := &w.frames[w.lowest]
		w.held -= int64(len(f.content))
		f.content = nil
	}
}

// reload makes the content of a frame again, none of which is held, and on the way
// that of the frames below, as far as there is room.
func (w *resolver) reload(i int, room int64) ([]byte, error) {
	var path []int32
	for at := w.frames[i].at; at != none; at = w.r.slots.at(at).base {
		path = append(path, at)
	}
	slices.Reverse(path)
	var content []byte
	var err error
	w.lowest, w.held = 0, 0
	for n, f := 0, 0; n < len(path); n++ {
		off := w.r.slots.at(path[n]).off
		if n == 0 {
			_, content, err = w.r.pack.inflate(off)
		} else {
			content, err = w.patch(off, content)
		}
		if err != nil {
			return nil, err
		}
		if w.frames[f].at == path[n] {
			w.hold(f, content, room)
			f++
		}
	}
	return content, nil
}

// unresolved returns an error if a delta was not reached.
func (r *receiver) unresolved() error {
	for i := range r.refs {
		if ref := &r.refs[i]; ref.claimed == 0 {
			return fmt.Errorf("object at %d of the pack is a delta to %s, which is not in the pack (thin packs are not taken): %w", r.slots.at(ref.at).off, ref.base, record.ErrInvalid)
		}
	}
	return nil
}
