// Package reruns keeps a list of the tasks of a home whose latest run did not begin when their
// ids say. With the list, tasks can be ordered by their latest runs without reading every
// record. A long list is a table on the disk, of which a reader reads a part, and a short list of
// what has changed since. Both can be deleted at any time.
package reruns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/internal/wholefile"
	"qme/record"
)

const (
	// FileName is the name of the list in a home.
	FileName = "reruns"
	// TableName is the name of the table that a long list refers to.
	TableName = "reruns.table"
)

// writeFrom is the number of changed tasks from which the list is rewritten. Fewer changes are
// read again by each reader.
const writeFrom = 32

// tableFrom is the length of a list from which its tasks are put into the table. Each reader reads
// the whole list, but only what it needs of the table.
var tableFrom = 2048

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

// A List is the list's files. It is safe for use by any number of processes: each file is always
// replaced as a whole and names the commit it belongs to, and the table alone is a list as well.
type List struct {
	// Path is that of the list. The table is in the same folder.
	Path string
	// Usual is the executor of most tasks; see record.Order.Mixed.
	Usual string
	// Eager writes the list whenever it does not belong to the newest commit.
	Eager bool
	// ReadOnly never writes the files.
	ReadOnly bool
	// Warn, if not nil, is called when the list cannot be written, so that each reader has to
	// repeat the work.
	Warn func(error)
	// Progress, if not nil, is called with the number of records read so far.
	Progress func(records int)
}

// Order returns the order of the source's tasks at the time now. It reads the records that have
// changed since the list was written, or every record if there is no usable list. If a part of the
// list that is read later is damaged, the order reads every record then.
func (l List) Order(ctx context.Context, src Source, now time.Time) (*record.Order, error) {
	c, err := l.catchUp(ctx, src)
	if err != nil {
		return nil, err
	}
	l.keep(c)
	o := c.order(now)
	o.Mixed = c.mixed
	return o, nil
}

// keep writes the list if that is worth it.
func (l List) keep(c *caughtUp) {
	// What replaces a damaged table has been written when the damage was found.
	if !c.due || l.ReadOnly || c.table.damaged() {
		return
	}
	if err := l.write(c.state); err != nil && !unwritable(err) && !c.table.damaged() {
		l.warn(fmt.Errorf("the list of reruns cannot be kept, so each listing makes it anew: %w", err))
	}
}

func (l List) warn(err error) {
	if l.Warn != nil {
		l.Warn(err)
	}
}

// unwritable reports whether err means that this user may only read the folder.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// A state is what is known of the tasks as of a commit.
type state struct {
	commit  string
	mixed   bool
	table   *table         // nil if there is none
	changed []record.Moved // what differs from the table; without a Clock if it has not moved
	unread  []record.ID    // records that could not be read; each reader tries again
}

func (s *state) order(now time.Time) *record.Order {
	if s.table == nil {
		return record.NewOrder(s.commit, nil, s.changed, now)
	}
	return record.NewOrder(s.commit, s.table, s.changed, now)
}

type caughtUp struct {
	state
	due bool // worth writing
}

func (l List) catchUp(ctx context.Context, src Source) (*caughtUp, error) {
	old, whole, err := l.read()
	if err != nil {
		return l.anew(ctx, src)
	}
	c := &caughtUp{state: *old, due: !whole}
	c.commit = src.Commit()
	var changed, present []record.ID
	if old.commit != c.commit {
		for d, err := range src.Changes(ctx, old.commit) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil { // another repository, or the commit is gone
				return l.anew(ctx, src)
			}
			changed = append(changed, d.ID)
			if !d.Removed {
				present = append(present, d.ID)
			}
		}
	}
	c.due = c.due || len(changed) >= writeFrom || l.Eager && old.commit != c.commit
	if c.table != nil {
		c.table.again = func() (record.Table, error) { return l.again(ctx, src) }
	}
	if len(changed)+len(c.unread) == 0 {
		return c, nil
	}
	again := make(map[record.ID]bool, len(changed)+len(c.unread))
	for _, id := range slices.Concat(changed, c.unread) {
		again[id] = true
	}
	present = append(present, c.unread...)
	c.unread, c.changed = nil, slices.DeleteFunc(c.changed, func(m record.Moved) bool { return again[m.ID] })
	if err := l.look(ctx, c, src.Select(present, true)); err != nil {
		return nil, err
	}
	c.unmove(again)
	return c, nil
}

// unmove adds those tasks that are in the table and have not been found to have moved.
func (c *caughtUp) unmove(tasks map[record.ID]bool) {
	if c.table == nil {
		return
	}
	for _, m := range c.changed {
		delete(tasks, m.ID)
	}
	for id := range tasks {
		if c.table.Clock(id) != "" {
			c.changed = append(c.changed, record.Moved{ID: id})
		}
	}
}

// anew reads every record.
func (l List) anew(ctx context.Context, src Source) (*caughtUp, error) {
	c := &caughtUp{state: state{commit: src.Commit()}, due: true}
	return c, l.look(ctx, c, src.Records(record.Range{Brief: true}))
}

// again is anew, in the place of a table that is damaged.
func (l List) again(ctx context.Context, src Source) (record.Table, error) {
	c, err := l.anew(ctx, src)
	if err != nil {
		err = fmt.Errorf("the list of reruns is damaged, so tasks that were run again are listed by when they were made: %w", err)
		l.warn(err)
		return nil, err
	}
	l.keep(c)
	return c.order(time.Time{}), nil
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
				c.changed = append(c.changed, m)
			}
		}
		c.mixed = c.mixed || res.ID.Executor() != l.Usual
		if n++; l.Progress != nil {
			l.Progress(n)
		}
	}
	return nil
}

// write replaces the files. Tasks are put into the table rarely, and before that is necessary by a
// process that does not keep a user waiting.
func (l List) write(s state) error {
	most := tableFrom
	if l.Eager {
		most /= 4
	}
	fsys := afero.NewOsFs()
	if len(s.changed) > most {
		name, b, err := tableOf(&s)
		if err == nil {
			err = wholefile.ReplaceFlushed(fsys, l.tablePath(), b)
		}
		if err != nil {
			return err
		}
		_ = wholefile.RemoveLeft(fsys, l.tablePath()) // a leftover file does no harm
		s.table, s.changed = &table{name: name}, nil
	}
	// No flush is needed: a file damaged by a power cut fails its checksum.
	if err := wholefile.Replace(fsys, l.Path, s.text()); err != nil {
		return err
	}
	_ = wholefile.RemoveLeft(fsys, l.Path)
	return nil
}
