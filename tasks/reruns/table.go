package reruns

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"qme/internal/regular"
	"qme/record"
)

// The table has a head and pages. The head is a text as the list, filled up to whole pages: a line
// with the format and the length of the text; a line with the table's name, the commit, whether
// the history is mixed, and the number of tasks; a line "+EXECUTOR" for each executor and "-ID" for each task
// whose record could not be read; and the checksum. A page holds perPage entries and ends in its
// checksum, which depends on the table's name and the page's number. All entries are there twice:
// in the order of record.CompareMoved, and by id.
const (
	tableMagic = "qme reruns table 1"
	pageSize   = 4096
	perPage    = (pageSize - crc32.Size) / entrySize
)

// An entry is a task of the table: its UUID, the milliseconds of its Clock, and which of the
// table's executors it has.
type entry [entrySize]byte

const (
	uuidSize  = 16
	clockSize = 6
	entrySize = uuidSize + clockSize + 4
)

func (e *entry) uuid() []byte     { return e[:uuidSize] }
func (e *entry) clock() []byte    { return e[uuidSize : uuidSize+clockSize] }
func (e *entry) executor() uint32 { return binary.BigEndian.Uint32(e[uuidSize+clockSize:]) }

func pagesFor(entries int) int { return (entries + perPage - 1) / perPage }

// pagesKept bounds the pages that a reader holds: 1 MiB.
const pagesKept = 256

// A table is an open table. It is a record.Table. What is damaged is replaced by again, once.
type table struct {
	name, commit string
	mixed        bool
	entries      int
	executors    []string
	unread       []record.ID
	again        func() (record.Table, error)

	file      io.ReaderAt
	begin     int64 // of the pages
	replacing sync.Once

	mu      sync.Mutex
	pages   map[int][]byte
	instead record.Table // once it is damaged
}

func (t *table) state() *state {
	return &state{commit: t.commit, mixed: t.mixed, table: t, unread: slices.Clone(t.unread)}
}

// openTable reads the head of a table. Its file is closed when there is no reference to it any more.
func openTable(path string) (*table, error) {
	f, err := regular.OpenHere(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	t := &table{file: f, pages: map[int][]byte{}}
	if err == nil {
		err = t.readHead(info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t, nil
}

func (t *table) readHead(size int64) error {
	first := make([]byte, min(pageSize, size))
	if _, err := t.file.ReadAt(first, 0); err != nil {
		return err
	}
	var length int64
	if _, err := fmt.Sscanf(string(first), tableMagic+" %d\n", &length); err != nil || length <= 0 || length > size {
		return errUnusable
	}
	b := make([]byte, length)
	if _, err := t.file.ReadAt(b, 0); err != nil {
		return err
	}
	text, ok := checked(b)
	_, text, _ = strings.Cut(text, "\n")
	line, text, _ := strings.Cut(text, "\n")
	if _, err := fmt.Sscanf(line, "%s %s %t %d", &t.name, &t.commit, &t.mixed, &t.entries); !ok || err != nil {
		return errUnusable
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, is := strings.CutPrefix(line, "+"); is {
			t.executors = append(t.executors, name)
		} else if id, is := strings.CutPrefix(line, "-"); is {
			t.unread = append(t.unread, record.ID(id))
		}
	}
	t.begin = filled(length)
	if t.entries < 0 || t.begin+2*int64(pagesFor(t.entries))*pageSize != size {
		return errUnusable
	}
	return nil
}

// filled rounds up to whole pages.
func filled(n int64) int64 { return (n + pageSize - 1) / pageSize * pageSize }

// page returns the entries of a page.
func (t *table) page(n int) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.pages[n]; b != nil {
		return b, nil
	}
	b := make([]byte, pageSize)
	if _, err := t.file.ReadAt(b, t.begin+int64(n)*pageSize); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(b[pageSize-crc32.Size:]) != pageSum(t.name, n, b) {
		return nil, errUnusable
	}
	if len(t.pages) >= pagesKept {
		clear(t.pages)
	}
	t.pages[n] = b
	return b, nil
}

func pageSum(name string, n int, page []byte) uint32 {
	sum := crc32.ChecksumIEEE(fmt.Append(nil, name, n))
	return crc32.Update(sum, crc32.IEEETable, page[:pageSize-crc32.Size])
}

// An index is one of the two orders of the entries.
type index struct {
	*table
	first int // page
}

func (t *table) byPlace() index { return index{t, 0} }
func (t *table) byID() index    { return index{t, pagesFor(t.entries)} }

func (x index) at(i int) (*entry, error) {
	b, err := x.page(x.first + i/perPage)
	if err != nil {
		return nil, err
	}
	return (*entry)(b[i%perPage*entrySize:]), nil
}

// search returns the first entry for which after is true: it is true of all entries behind it.
func (x index) search(after func(*entry) bool) (at int, err error) {
	is := func(i int) bool {
		e, aerr := x.at(i)
		if aerr != nil {
			err = aerr
			return true
		}
		return after(e)
	}
	// The first entries of pages first, so that it is one page in which the rest of the search is.
	page := sort.Search(pagesFor(x.entries), func(p int) bool { return is(p * perPage) })
	from := max(page-1, 0) * perPage
	return from + sort.Search(min(page*perPage, x.entries)-from, func(i int) bool { return is(from + i) }), err
}

// Clock implements record.Table.
func (t *table) Clock(id record.ID) string {
	if t.replaced() == nil {
		clock, err := t.find(id)
		if err == nil {
			return clock
		}
		t.replace()
	}
	return t.replaced().Clock(id)
}

func (t *table) find(id record.ID) (string, error) {
	key, err := uuid.Parse(id.UUID())
	if err != nil {
		return "", nil // such a task is in no table
	}
	x := t.byID()
	at, err := x.search(func(e *entry) bool { return bytes.Compare(e.uuid(), key[:]) >= 0 })
	for ; err == nil && at < t.entries; at++ {
		var e *entry
		if e, err = x.at(at); err != nil || !bytes.Equal(e.uuid(), key[:]) {
			break
		}
		var m record.Moved
		if m, err = t.moved(e); err == nil && m.ID == id {
			return m.Clock, nil
		}
	}
	return "", err
}

// moved returns the task of an entry.
func (t *table) moved(e *entry) (record.Moved, error) {
	if e.executor() >= uint32(len(t.executors)) {
		return record.Moved{}, errUnusable
	}
	c := hex.EncodeToString(e.clock())
	return record.Moved{ID: record.ID(t.executors[e.executor()] + "-" + uuid.UUID(e.uuid()).String()), Clock: c[:8] + "-" + c[8:]}, nil
}

// Between implements record.Table.
func (t *table) Between(after, upTo string, reversed bool) iter.Seq[record.Moved] {
	return func(yield func(record.Moved) bool) {
		var last record.Moved
		if t.replaced() == nil {
			err := t.walk(after, upTo, reversed, func(m record.Moved) bool {
				last = m
				return yield(m)
			})
			if err == nil {
				return
			}
			t.replace()
		}
		for m := range t.replaced().Between(after, upTo, reversed) {
			if c := record.CompareMoved(m, last); last.ID != "" && (c == 0 || reversed == (c > 0)) {
				continue // it was yielded before the damage
			}
			if !yield(m) {
				return
			}
		}
	}
}

func (t *table) walk(after, upTo string, reversed bool, yield func(record.Moved) bool) error {
	x := t.byPlace()
	from, to := 0, t.entries
	var err error
	if upTo != "" {
		from, err = x.firstUpTo(upTo)
	}
	if err == nil && after != "" {
		to, err = x.firstUpTo(after)
	}
	step := 1
	if reversed {
		from, to, step = to-1, from-1, -1
	}
	for i := from; err == nil && i != to; i += step {
		var e *entry
		if e, err = x.at(i); err != nil {
			break
		}
		var m record.Moved
		if m, err = t.moved(e); err == nil && !yield(m) {
			return nil
		}
	}
	return err
}

// firstUpTo returns the first entry that is not later than a Clock.
func (x index) firstUpTo(clock string) (int, error) {
	key, err := clockBytes(clock)
	if err != nil {
		return 0, err
	}
	return x.search(func(e *entry) bool { return bytes.Compare(e.clock(), key) <= 0 })
}

func clockBytes(clock string) ([]byte, error) {
	b, err := hex.DecodeString(strings.Replace(clock, "-", "", 1))
	if err == nil && len(b) != clockSize {
		err = errUnusable
	}
	return b, err
}

// damaged reports whether the table is read no more. That of nil is not.
func (t *table) damaged() bool { return t != nil && t.replaced() != nil }

func (t *table) replaced() record.Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.instead
}

// replace has the table read no more.
func (t *table) replace() {
	t.replacing.Do(func() {
		made, err := t.again()
		if err != nil {
			made = record.NewOrder("", nil, nil, time.Time{}) // the user has been warned
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.instead = made
	})
}

// tableOf returns the content of the table of a state, and its name.
func tableOf(s *state) (name string, content []byte, err error) {
	name = rand.Text()
	var list []entry
	numbers := map[string]uint32{}
	var names []string
	for m := range s.order(time.Time{}).Between("", "", false) {
		executor := m.ID.Executor()
		if _, ok := numbers[executor]; !ok {
			numbers[executor] = uint32(len(numbers))
			names = append(names, executor)
		}
		e, err := entryOf(m, numbers[executor])
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", m.ID, err)
		}
		list = append(list, e)
	}
	if s.table.damaged() {
		return "", nil, errUnusable
	}
	content = headOf(s, name, len(list), names)
	content = slices.Grow(content, 2*pagesFor(len(list))*pageSize)
	content = appendPages(content, list, name, 0)
	slices.SortFunc(list, func(a, b entry) int { return bytes.Compare(a[:], b[:]) })
	return name, appendPages(content, list, name, pagesFor(len(list))), nil
}

// headOf returns the head of the table of a state.
func headOf(s *state, name string, entries int, executors []string) []byte {
	var rest bytes.Buffer
	fmt.Fprintf(&rest, "%s %s %t %d\n", name, s.commit, s.mixed, entries)
	for _, executor := range executors {
		fmt.Fprintf(&rest, "+%s\n", executor)
	}
	for _, id := range s.unread {
		fmt.Fprintf(&rest, "-%s\n", id)
	}
	const firstLine = tableMagic + " %010d\n"
	var b bytes.Buffer
	fmt.Fprintf(&b, firstLine, len(fmt.Sprintf(firstLine, 0))+rest.Len()+sumSize)
	b.Write(rest.Bytes())
	head := withSum(&b)
	return append(head, make([]byte, filled(int64(len(head)))-int64(len(head)))...)
}

// appendPages appends entries as pages, of which the first has a number.
func appendPages(content []byte, list []entry, name string, number int) []byte {
	for some := range slices.Chunk(list, perPage) {
		page := make([]byte, pageSize)
		for i, e := range some {
			copy(page[i*entrySize:], e[:])
		}
		binary.BigEndian.PutUint32(page[pageSize-crc32.Size:], pageSum(name, number, page))
		content = append(content, page...)
		number++
	}
	return content
}

func entryOf(m record.Moved, executor uint32) (e entry, err error) {
	u, err := uuid.Parse(m.ID.UUID())
	clock, cerr := clockBytes(m.Clock)
	if err = cmp.Or(err, cerr); err != nil {
		return e, err
	}
	copy(e.uuid(), u[:])
	copy(e.clock(), clock)
	binary.BigEndian.PutUint32(e[uuidSize+clockSize:], executor)
	return e, nil
}
