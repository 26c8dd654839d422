// Package reruns keeps a list of the tasks of a home whose latest run did not begin when their
// ids say. With the list, tasks can be ordered by their latest runs without reading every
// record. The list can be deleted at any time.
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

// FileName is the name of the list in a home.
const FileName = "reruns"

// writeFrom is the number of changed tasks from which the list is rewritten. Fewer changes are
// read again by each reader.
const writeFrom = 32

// A Source is the history as of one commit.
type Source interface {
	// Commit returns the commit.
	Commit() string
	// Records yields the records in a range. A result without an ID ends the sequence.
	Records(rg record.Range) iter.Seq[record.Result]
	// Select is Records for the given tasks, as far as they exist.
	Select(ids []record.ID, brief bool) iter.Seq[record.Result]
	// Changes yields the tasks that differ from commit from, which may be missing or not an
	// ancestor. It ends at the first error.
	Changes(ctx context.Context, from string) iter.Seq2[record.Difference, error]
}

// A List is the list's file. It is safe for use by any number of processes: it is always
// replaced as a whole, and names the commit it belongs to.
type List struct {
	Path string
	// Usual is the executor of most tasks; see record.Order.Mixed.
	Usual string
	// Eager writes the list whenever it does not belong to the newest commit.
	Eager bool
	// ReadOnly never writes the file.
	ReadOnly bool
	// Warn, if not nil, is called when the list cannot be written, so that each reader has to
	// repeat the work.
	Warn func(error)
	// Progress, if not nil, is called with the number of records read so far.
	Progress func(records int)
}

// Order returns the order of the source's tasks at the time now. It reads the records that have
// changed since the list was written, or every record if there is no usable list.
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

// unwritable reports whether err means that this user may only read the folder.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// A state is the content of the file.
type state struct {
	commit string
	mixed  bool
	moved  []record.Moved
	unread []record.ID // records that could not be read; each reader tries again
}

type caughtUp struct {
	state
	due bool // worth writing
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
			if err != nil { // another repository, or the commit is gone
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

// look adds the results of reading records to the state.
func (l List) look(ctx context.Context, c *caughtUp, results iter.Seq[record.Result]) error {
	n := 0
	for res := range results {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case res.ID == "":
			return res.Err
		case res.Err != nil:
			c.unread = append(c.unread, res.ID) // the listing reports the error
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

// The file is text: a line with the format, a line with the commit, a line for each task, and
// the checksum (CRC-32, IEEE) of all lines before it.
const magic = "qme reruns 1"

var errUnusable = errors.New("the list of reruns cannot be used")

// write replaces the file.
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
	// No flush is needed: a file damaged by a power cut fails its checksum.
	fsys := afero.NewOsFs()
	if err := wholefile.Replace(fsys, l.Path, b.Bytes()); err != nil {
		return err
	}
	_ = wholefile.RemoveLeft(fsys, l.Path) // a leftover file does no harm
	return nil
}

const (
	clockLike = "019aaf3c-1b2c"
	uuidLike  = clockLike + "-7d3e-8f40-5b1f0c2d9e7a"
)

// read returns the content of the file. The error is errUnusable if the file is missing or
// damaged.
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
