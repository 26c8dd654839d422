// Package reruns keeps the list of those tasks of a home whose latest run did not begin
// when their ids say: with it a listing is in the order of the latest runs without a look
// at every record. The list is disposable.
package reruns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

// FileName is that of the list in a home.
const FileName = "reruns"

// writeFrom is from how many changed tasks on the list is written anew; fewer are looked
// at by each reader.
const writeFrom = 32

// A Source is the history as of one commit.
type Source interface {
	// Commit names it.
	Commit() string
	// Records yields the records in a range; a result without an ID ends it.
	Records(rg record.Range) iter.Seq[record.Result]
	// Select is Records of those of the tasks that are there.
	Select(ids []record.ID, brief bool) iter.Seq[record.Result]
	// Changes yields the tasks that are different in the commit from, which may be gone
	// or no ancestor. It ends at the first error.
	Changes(ctx context.Context, from string) iter.Seq2[record.Difference, error]
}

// A List is the file. Many processes may use it at once: it is replaced as a whole, and
// says of which commit it is.
type List struct {
	Path string
	// Usual is the executor of most tasks; see record.Order.Mixed.
	Usual string
	// Eager writes the list whenever it is not that of the newest commit.
	Eager bool
	// ReadOnly leaves the file as it is.
	ReadOnly bool
	// Warn, if not nil, is told that the list cannot be written, so that each reader has
	// to do the work again.
	Warn func(error)
	// Progress, if not nil, is told how many records have been read to make the list.
	Progress func(records int)
}

// Order returns the order in which the tasks of the source are listed at the moment now.
// It reads what has changed since the list was written, or every record where there is
// no list that can be used.
func (l List) Order(ctx context.Context, src Source, now time.Time) (*record.Order, error) {
	c, err := l.catchUp(ctx, src)
	if err != nil {
		return nil, err
	}
	if c.due && !l.ReadOnly {
		if err := l.write(c.state); err != nil && !unwritable(err) && l.Warn != nil {
			l.Warn(fmt.Errorf("the list of reruns cannot be kept, so each listing makes it anew: %w", err))
		}
	}
	o := record.NewOrder(c.commit, c.moved, now)
	o.Mixed = c.mixed
	return o, nil
}

// unwritable reports whether a folder is one in which this user only reads.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// A state is what the file holds.
type state struct {
	commit string
	mixed  bool
	moved  []record.Moved
	unread []record.ID // those whose record could not be read: each reader tries again
}

type caughtUp struct {
	state
	due bool // it is worth writing
}

func (l List) catchUp(ctx context.Context, src Source) (*caughtUp, error) {
	old, err := l.read()
	if err != nil {
		return l.anew(ctx, src)
	}
	var changed, present []record.ID
	if old.commit != src.Commit() {
		for c, err := range src.Changes(ctx, old.commit) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil { // of another repository, or the commit is gone
				return l.anew(ctx, src)
			}
			changed = append(changed, c.ID)
			if !c.Removed {
				present = append(present, c.ID)
			}
		}
	}
	c := &caughtUp{state: state{commit: src.Commit(), mixed: old.mixed}, due: len(changed) >= writeFrom || l.Eager && old.commit != src.Commit()}
	if len(changed)+len(old.unread) == 0 {
		c.moved = old.moved
		return c, nil
	}
	again := make(map[record.ID]bool, len(changed)+len(old.unread))
	for _, id := range slices.Concat(changed, old.unread) {
		again[id] = true
	}
	c.moved = slices.DeleteFunc(old.moved, func(m record.Moved) bool { return again[m.ID] })
	return c, l.look(ctx, c, src.Select(slices.Concat(present, old.unread), true))
}

// anew reads every record.
func (l List) anew(ctx context.Context, src Source) (*caughtUp, error) {
	c := &caughtUp{state: state{commit: src.Commit()}, due: true}
	return c, l.look(ctx, c, src.Records(record.Range{Brief: true}))
}

// look adds to the state what records say.
func (l List) look(ctx context.Context, c *caughtUp, results iter.Seq[record.Result]) error {
	n := 0
	for res := range results {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case res.ID == "":
			return res.Err
		case res.Err != nil:
			c.unread = append(c.unread, res.ID) // whoever lists says so
		default:
			if m, ok := record.MovedOf(res.Record); ok {
				c.moved = append(c.moved, m)
			}
		}
		c.mixed = c.mixed || res.ID.Executor() != l.Usual
		if n++; l.Progress != nil {
			l.Progress(n)
		}
	}
	return nil
}

// The file is text: a line that says what it is, one with the commit, one for each task,
// and last the checksum (CRC-32, IEEE) of all lines before it.
const magic = "qme reruns 1"

var errUnusable = errors.New("the list of reruns cannot be used")

// write puts the file in the place of the one before.
func (l List) write(s state) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s %t\n", magic, s.commit, s.mixed)
	slices.SortFunc(s.moved, record.CompareMoved)
	for _, m := range s.moved {
		fmt.Fprintf(&b, "%s %s\n", m.ID, m.Clock)
	}
	for _, id := range s.unread {
		fmt.Fprintf(&b, "%s -\n", id)
	}
	fmt.Fprintf(&b, "%08x\n", crc32.ChecksumIEEE(b.Bytes()))
	// It is not flushed to the disk: what a power cut leaves of it does not have its checksum.
	fsys := afero.NewOsFs()
	if err := wholefile.Replace(fsys, l.Path, b.Bytes()); err != nil {
		return err
	}
	_ = wholefile.RemoveLeft(fsys, l.Path) // what cannot be removed does no harm
	return nil
}

const (
	clockLike = "019aaf3c-1b2c"
	uuidLike  = clockLike + "-7d3e-8f40-5b1f0c2d9e7a"
)

// read returns what the file holds; the error is errUnusable where that is nothing that
// can be relied upon.
func (l List) read() (*state, error) {
	b, err := regular.ReadHere(l.Path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	text := string(b)
	end := strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n') + 1
	sum, err := strconv.ParseUint(strings.TrimSuffix(text[end:], "\n"), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(b[:end]) {
		return nil, errUnusable
	}
	head, text, _ := strings.Cut(text[:end], "\n")
	line, text, _ := strings.Cut(text, "\n")
	commit, mixed, ok := strings.Cut(line, " ")
	if head != magic || !ok {
		return nil, errUnusable
	}
	s := &state{commit: commit, mixed: mixed == "true", moved: make([]record.Moved, 0, strings.Count(text, "\n"))}
	for text != "" {
		line, text, _ = strings.Cut(text, "\n")
		id, at, _ := strings.Cut(line, " ")
		if at == "-" {
			s.unread = append(s.unread, record.ID(id))
			continue
		}
		if len(at) != len(clockLike) || len(id) < len(uuidLike) {
			return nil, errUnusable
		}
		s.moved = append(s.moved, record.Moved{ID: record.ID(id), Clock: at})
	}
	return s, nil
}
