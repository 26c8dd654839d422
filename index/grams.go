package index

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sort"

	"github.com/klauspost/compress/s2"
)

// A table of grams says in which blocks of tasks each gram is. It is written once, in the
// order of the grams, as compressed pages with a directory behind them. The manifest has the
// directory's checksum, the directory those of the pages: a search reads and verifies the
// few pages that it needs, however large the table is.

// A gram is a piece of three runes, with 21 bits each, so that grams are ordered as their
// texts are.
type gram uint64

const bitsPerRune = 21

// newGram returns the gram of a text of three runes.
func newGram(text string) gram {
	var g gram
	for _, r := range text {
		g = g<<bitsPerRune | gram(r)
	}
	return g
}

const (
	// gramPageText is from how many bytes on a page is written, and another begun.
	gramPageText = 32 << 10
	gramPageSize = 2*8 + 2*4
)

// A gramPage says where a page is.
type gramPage struct {
	first gram
	at    int64
	size  uint32
	crc   uint32 // CRC-32 (IEEE) of the compressed page
}

// A gramInfo describes a table in the manifest.
type gramInfo struct {
	Pages int    `json:"pages"`
	Size  int64  `json:"size"` // with the directory
	CRC   uint32 `json:"crc"`  // CRC-32 (IEEE) of the directory
}

func (i gramInfo) directory() int64 { return i.Size - int64(i.Pages)*gramPageSize }

// A gramWriter writes a table.
type gramWriter struct {
	w         io.Writer
	at        int64
	page      []byte
	packed    []byte
	first     gram // of the page
	last      gram // that was added
	directory []byte
	info      gramInfo
}

// add writes in which blocks a gram is, both in rising order; it keeps neither.
func (w *gramWriter) add(g gram, blocks []uint32) error {
	if len(w.page) == 0 {
		w.first, w.last = g, g
	}
	w.page = binary.AppendUvarint(w.page, uint64(g-w.last))
	w.page = binary.AppendUvarint(w.page, uint64(len(blocks)))
	before := uint32(0)
	for _, b := range blocks {
		w.page = binary.AppendUvarint(w.page, uint64(b-before))
		before = b
	}
	w.last = g
	if len(w.page) < gramPageText {
		return nil
	}
	return w.flush()
}

func (w *gramWriter) flush() error {
	if len(w.page) == 0 {
		return nil
	}
	w.packed = s2.Encode(w.packed[:cap(w.packed)], w.page)
	d := binary.LittleEndian.AppendUint64(w.directory, uint64(w.first))
	d = binary.LittleEndian.AppendUint64(d, uint64(w.at))
	d = binary.LittleEndian.AppendUint32(d, uint32(len(w.packed)))
	w.directory = binary.LittleEndian.AppendUint32(d, crc32.ChecksumIEEE(w.packed))
	w.at += int64(len(w.packed))
	w.info.Pages++
	w.page = w.page[:0]
	_, err := w.w.Write(w.packed)
	return err
}

// finish writes the directory.
func (w *gramWriter) finish() (gramInfo, error) {
	if err := w.flush(); err != nil {
		return gramInfo{}, err
	}
	w.info.Size, w.info.CRC = w.at+int64(len(w.directory)), crc32.ChecksumIEEE(w.directory)
	_, err := w.w.Write(w.directory)
	return w.info, err
}

// A gramTable is an open table. Its methods may be called from several goroutines.
type gramTable struct {
	in    io.ReaderAt
	pages []gramPage
}

// openGrams reads a table's directory. The error wraps errUnusable when it is damaged.
func openGrams(in io.ReaderAt, info gramInfo) (*gramTable, error) {
	if info.directory() < 0 {
		return nil, errDamaged
	}
	b, err := readVerified(in, nil, info.directory(), info.Pages*gramPageSize, info.CRC)
	if err != nil {
		return nil, err
	}
	t := &gramTable{in: in, pages: make([]gramPage, info.Pages)}
	for i := range t.pages {
		t.pages[i] = gramPage{
			first: gram(binary.LittleEndian.Uint64(b)), at: int64(binary.LittleEndian.Uint64(b[8:])),
			size: binary.LittleEndian.Uint32(b[16:]), crc: binary.LittleEndian.Uint32(b[20:]),
		}
		b = b[gramPageSize:]
	}
	return t, nil
}

// readVerified reads bytes that have a checksum, into b where that has room. The error
// wraps errUnusable when they are not what was written.
func readVerified(in io.ReaderAt, b []byte, at int64, size int, crc uint32) ([]byte, error) {
	b = slices.Grow(b[:0], size)[:size]
	if n, err := in.ReadAt(b, at); n < size {
		return nil, damageOr(err)
	}
	if crc32.ChecksumIEEE(b) != crc {
		return nil, errDamaged
	}
	return b, nil
}

// blocks returns in which blocks a gram is.
func (t *gramTable) blocks(g gram) ([]uint32, error) {
	i := sort.Search(len(t.pages), func(i int) bool { return t.pages[i].first > g }) - 1
	if i < 0 {
		return nil, nil
	}
	c := gramCursor{table: t, page: i}
	for {
		more, err := c.skip()
		if err != nil || !more || c.page > i+1 || c.gram > g {
			return nil, err
		}
		if c.gram == g {
			err = c.read()
			return c.blocks, err
		}
	}
}

// A gramCursor walks a table.
type gramCursor struct {
	table  *gramTable
	page   int // the next one
	packed []byte
	plain  []byte
	rest   []byte // of the page
	gram   gram
	count  int      // of its blocks that are still to be read
	blocks []uint32 // what read has read; it is used again
	base   uint32   // the number of the table's first block
}

// skip moves on to the next gram, without its blocks. more is false at the end.
func (c *gramCursor) skip() (more bool, err error) {
	for ; c.count > 0; c.count-- {
		if _, err := c.uvarint(); err != nil {
			return false, err
		}
	}
	if len(c.rest) == 0 {
		if c.page == len(c.table.pages) {
			return false, nil
		}
		if err := c.load(); err != nil {
			return false, err
		}
	}
	step, err := c.uvarint()
	if err != nil {
		return false, err
	}
	n, err := c.uvarint()
	if err != nil {
		return false, err
	}
	c.gram, c.count = c.gram+gram(step), int(n)
	return true, nil
}

// load reads the next page.
func (c *gramCursor) load() (err error) {
	p := c.table.pages[c.page]
	if c.packed, err = readVerified(c.table.in, c.packed, p.at, int(p.size), p.crc); err != nil {
		return err
	}
	if c.plain, err = s2.Decode(c.plain[:cap(c.plain)], c.packed); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	c.page++
	c.rest, c.gram = c.plain, p.first
	return nil
}

// read reads the blocks of the gram, once.
func (c *gramCursor) read() error {
	c.blocks = c.blocks[:0]
	block := c.base
	for ; c.count > 0; c.count-- {
		step, err := c.uvarint()
		if err != nil {
			return err
		}
		block += uint32(step)
		c.blocks = append(c.blocks, block)
	}
	return nil
}

func (c *gramCursor) uvarint() (uint64, error) {
	if len(c.rest) > 0 && c.rest[0] < 0x80 { // most are
		n := c.rest[0]
		c.rest = c.rest[1:]
		return uint64(n), nil
	}
	n, k := binary.Uvarint(c.rest)
	if k <= 0 {
		return 0, errDamaged
	}
	c.rest = c.rest[k:]
	return n, nil
}

// cursors are those of tables that become one, as a heap: the least gram first, and of it
// the lowest block.
type cursors []*gramCursor

func (h cursors) Len() int      { return len(h) }
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h cursors) Push(x any)    {} // none is added
func (h cursors) Less(i, j int) bool {
	return h[i].gram < h[j].gram || h[i].gram == h[j].gram && h[i].base < h[j].base
}

func (h *cursors) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// A run is the table of some neighbouring blocks of a segment that is being written.
type run struct {
	*gramTable
	base  uint32 // the number of its first block
	close func() error
}

// mergeRuns writes the table of all runs. Of a gram it holds the blocks, of each run a page.
func mergeRuns(to io.Writer, runs []run, base uint32) (gramInfo, error) {
	var h cursors
	for _, r := range runs {
		c := &gramCursor{table: r.gramTable, base: r.base - base}
		more, err := c.skip()
		if err != nil {
			return gramInfo{}, err
		}
		if more {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	w := &gramWriter{w: to}
	var blocks []uint32
	for len(h) > 0 {
		g := h[0].gram
		blocks = blocks[:0]
		for len(h) > 0 && h[0].gram == g {
			c := h[0]
			if err := c.read(); err != nil {
				return gramInfo{}, err
			}
			blocks = append(blocks, c.blocks...)
			more, err := c.skip()
			if err != nil {
				return gramInfo{}, err
			}
			if more {
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
		}
		if err := w.add(g, blocks); err != nil {
			return gramInfo{}, err
		}
	}
	return w.finish()
}

// closeRuns closes what runs are read from.
func closeRuns(runs []run) error {
	var errs []error
	for _, r := range runs {
		if r.close != nil {
			errs = append(errs, r.close())
		}
	}
	return errors.Join(errs...)
}

// gramLists are the grams of some blocks on their way into a table.
type gramLists struct {
	of     map[gram]int32 // in last
	grams  []gram
	last   []int32 // the last of a gram's posts
	posts  []post
	blocks uint32
}

// A post is a block in which a gram is.
type post struct {
	block  uint32
	before int32 // the gram's post before it; -1: none
}

func newGramLists() *gramLists { return &gramLists{of: map[gram]int32{}} }

// add adds the grams of a block.
func (l *gramLists) add(entries []entry) {
	for _, e := range entries {
		if e.doc != nil {
			e.doc.EachGram(func(text string) { l.post(newGram(text)) })
		}
	}
	l.blocks++
}

func (l *gramLists) post(g gram) {
	i, ok := l.of[g]
	if !ok {
		i = int32(len(l.last))
		l.of[g] = i
		l.grams, l.last = append(l.grams, g), append(l.last, -1)
	}
	before := l.last[i]
	if before >= 0 && l.posts[before].block == l.blocks {
		return
	}
	l.last[i] = int32(len(l.posts))
	l.posts = append(l.posts, post{l.blocks, before})
}

// write writes a table of all.
func (l *gramLists) write(to io.Writer) (gramInfo, error) {
	slices.Sort(l.grams)
	w := &gramWriter{w: to}
	var blocks []uint32
	for _, g := range l.grams {
		blocks = blocks[:0]
		for i := l.last[l.of[g]]; i >= 0; i = l.posts[i].before {
			blocks = append(blocks, l.posts[i].block)
		}
		slices.Reverse(blocks)
		if err := w.add(g, blocks); err != nil {
			return gramInfo{}, err
		}
	}
	return w.finish()
}
