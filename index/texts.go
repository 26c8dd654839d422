package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/klauspost/compress/s2"

	"qme/index/query"
	"qme/record"
)

// A segment has a file of text beside its table of grams, which says which blocks of tasks may
// have what is asked for: what is found is decided there, without a look at git. It holds
// blocks of neighbouring tasks, each in two compressed parts (what is short; the streams), a
// row of each task, newest first, and a directory: where the blocks are, of each page of rows
// the first UUID and the checksum, and the names of the executors. The manifest has the directory's checksum, the
// directory those of all else.

const (
	// A block ends with blockTasks tasks or blockText bytes of text.
	blockTasks = 16
	blockText  = 256 << 10
	blockSize  = 8 + 5*4
	// pageRows are the rows that are read, and have a checksum, at once.
	pageRows     = 256
	pageRowsSize = 16 + 4
)

// A part is the half of a block: the texts up to query.Streams, or those from there.
type part int

const (
	heads part = iota
	streams
)

// fields are the indexes of a part in query.Texts.
func (p part) fields() (from, to int) {
	if p == heads {
		return 0, query.Streams
	}
	return query.Streams, len(query.Texts{})
}

// A block says where tasks are in a text file.
type block struct {
	first uint32 // of its rows
	at    int64  // of its parts, one behind the other
	size  [2]uint32
	crc   [2]uint32
}

// A textInfo describes a text file in the manifest.
type textInfo struct {
	Rows      int    `json:"rows"`
	Blocks    int    `json:"blocks"`
	Table     int64  `json:"table"`     // where the rows begin
	Directory int64  `json:"directory"` // and what is behind them
	Size      int64  `json:"size"`      // of the file
	CRC       uint32 `json:"crc"`       // CRC-32 (IEEE) of the directory

	Over       int   `json:"over,omitempty"`       // streams of all rows that are longer than the limit
	Unreadable []int `json:"unreadable,omitempty"` // the rows of tasks that could not be read
}

// textBlocks are some blocks on their way into a text file.
type textBlocks struct {
	packed    []byte // their parts
	rows      []byte
	blocks    []block // as if the file began here
	executors []string
}

// add adds a block of tasks.
func (t *textBlocks) add(entries []entry) error {
	b := block{first: uint32(len(t.rows) / rowSize), at: int64(len(t.packed))}
	texts := make([]query.Texts, len(entries))
	for i, e := range entries {
		r, err := newRow(e)
		if err != nil {
			return err
		}
		r.executor = placeOf(&t.executors, e.id.Executor())
		t.rows = appendRow(t.rows, r)
		if e.doc != nil {
			texts[i] = e.doc.Texts()
		}
	}
	for p := range b.size {
		packed := s2.Encode(nil, encodePart(texts, part(p)))
		b.size[p], b.crc[p] = uint32(len(packed)), crc32.ChecksumIEEE(packed)
		t.packed = append(t.packed, packed...)
	}
	t.blocks = append(t.blocks, b)
	return nil
}

// A textWriter writes a text file.
type textWriter struct {
	f         *os.File
	at        int64
	rows      []byte
	blocks    []byte
	executors []string
	info      textInfo
}

func createTexts(path string) (*textWriter, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &textWriter{f: f}, nil
}

// add writes blocks.
func (t *textWriter) add(some *textBlocks) error {
	for _, b := range some.blocks {
		b.first += uint32(t.info.Rows)
		b.at += t.at
		t.blocks = appendBlock(t.blocks, b)
	}
	for rows := some.rows; len(rows) > 0; rows = rows[rowSize:] {
		t.rows = append(t.rows, rows[:rowSize]...)
		own := placeOf(&t.executors, some.executors[executorOf(rows)])
		setExecutor(t.rows[len(t.rows)-rowSize:], own)
		if r := decodeRow(rows); r.unreadable() {
			t.info.Unreadable = append(t.info.Unreadable, len(t.rows)/rowSize-1)
		} else {
			t.info.Over += r.over()
		}
	}
	t.at += int64(len(some.packed))
	t.info.Rows = len(t.rows) / rowSize
	t.info.Blocks += len(some.blocks)
	_, err := t.f.Write(some.packed)
	return err
}

// placeOf returns where a name is in a list, to which it is added where it is not.
func placeOf(names *[]string, name string) uint32 {
	i := slices.Index(*names, name)
	if i < 0 {
		i = len(*names)
		*names = append(*names, name)
	}
	return uint32(i)
}

// encodePart writes the lengths of all texts, and then the texts.
func encodePart(texts []query.Texts, p part) []byte {
	var b []byte
	from, to := p.fields()
	for _, t := range texts {
		for _, s := range t[from:to] {
			b = binary.AppendUvarint(b, uint64(len(s)))
		}
	}
	for _, t := range texts {
		for _, s := range t[from:to] {
			b = append(b, s...)
		}
	}
	return b
}

func appendBlock(b []byte, k block) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(k.at))
	for _, n := range []uint32{k.first, k.size[heads], k.size[streams], k.crc[heads], k.crc[streams]} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func decodeBlock(b []byte) block {
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(b[8+4*i:]) }
	return block{first: at(0), at: int64(binary.LittleEndian.Uint64(b)), size: [2]uint32{at(1), at(2)}, crc: [2]uint32{at(3), at(4)}}
}

// finish writes rows and directory, and closes the file.
func (t *textWriter) finish() (textInfo, error) {
	directory := t.blocks
	for page := range slices.Chunk(t.rows, pageRows*rowSize) {
		directory = append(directory, page[:16]...)
		directory = binary.LittleEndian.AppendUint32(directory, crc32.ChecksumIEEE(page))
	}
	directory = append(directory, strings.Join(t.executors, "\n")...)
	_, err := t.f.Write(t.rows)
	if err == nil {
		_, err = t.f.Write(directory)
	}
	err = errors.Join(err, t.f.Close())
	t.info.Table, t.info.Directory = t.at, t.at+int64(len(t.rows))
	t.info.CRC, t.info.Size = crc32.ChecksumIEEE(directory), t.info.Directory+int64(len(directory))
	return t.info, err
}

// A textFile is an open one. Its methods may be called from several goroutines. Rows can be
// looked at once need has read them.
type textFile struct {
	f         *os.File
	rows      []byte
	at        int64 // of the rows
	pages     []rowPage
	blocks    []block // and one behind the last
	executors []string
}

// A rowPage is some rows that are read at once.
type rowPage struct {
	first []byte // a UUID
	crc   uint32
	once  sync.Once
	err   error
}

// openTexts opens a text file. The error wraps errUnusable when it is not the one that is
// described.
func openTexts(path string, info textInfo) (*textFile, error) {
	f, err := openSized(path, info.Size)
	if err != nil {
		return nil, err
	}
	t := &textFile{f: f}
	if err := t.readTable(info); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return t, nil
}

// openSized opens a file. The error wraps errUnusable when it is not there or of another size.
func openSized(path string, size int64) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, damageOr(err)
	}
	st, err := f.Stat()
	if err == nil && st.Size() != size {
		err = fmt.Errorf("%w: %s has %d bytes, not %d", errDamaged, path, st.Size(), size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readTable reads the directory.
func (t *textFile) readTable(info textInfo) error {
	directory, err := readVerified(t.f, nil, info.Directory, int(info.Size-info.Directory), info.CRC)
	if err != nil {
		return err
	}
	t.blocks = make([]block, info.Blocks, info.Blocks+1)
	for i := range t.blocks {
		t.blocks[i] = decodeBlock(directory)
		directory = directory[blockSize:]
	}
	t.blocks = append(t.blocks, block{first: uint32(info.Rows), at: info.Table})
	t.rows, t.at = make([]byte, info.Rows*rowSize), info.Table
	t.pages = make([]rowPage, (info.Rows+pageRows-1)/pageRows)
	for i := range t.pages {
		t.pages[i].first, t.pages[i].crc = directory[:16], binary.LittleEndian.Uint32(directory[16:])
		directory = directory[pageRowsSize:]
	}
	t.executors = strings.Split(string(directory), "\n")
	return nil
}

// need reads and verifies rows, from one up to before another, where that has not been done.
// The error wraps errUnusable when they are damaged.
func (t *textFile) need(from, to int) error {
	for n := from / pageRows; n*pageRows < to; n++ {
		p := &t.pages[n]
		p.once.Do(func() {
			at := n * pageRows * rowSize
			rows := t.rows[at:min(at+pageRows*rowSize, len(t.rows))]
			_, p.err = readVerified(t.f, rows, t.at+int64(at), len(rows), p.crc)
		})
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// needBlocks is need of the rows of some blocks, see candidates, on all processors.
func (t *textFile) needBlocks(blocks *roaring.Bitmap) error {
	var pages []int
	add := func(from, to uint32) {
		for n := int(from) / pageRows; n*pageRows < int(to); n++ {
			if len(pages) == 0 || pages[len(pages)-1] < n {
				pages = append(pages, n)
			}
		}
	}
	if blocks == nil {
		add(0, uint32(t.len()))
	} else {
		for b := range roaring.Values(blocks) {
			if int(b) >= len(t.blocks)-1 {
				return errDamaged
			}
			add(t.blocks[b].first, t.blocks[b+1].first)
		}
	}
	read := func(some []int) error {
		for _, n := range some {
			if err := t.need(n*pageRows, n*pageRows+1); err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	for some := range inOrder(slices.Chunk(pages, 64), func() func([]int) error { return read }) {
		err = errors.Join(err, some)
	}
	return err
}

func (t *textFile) len() int { return len(t.rows) / rowSize }

func (t *textFile) row(i int) row { return decodeRow(t.rows[i*rowSize:]) }

// uuid returns the bytes of a task's UUID, which are the file's.
func (t *textFile) uuid(i int) []byte { return t.rows[i*rowSize:][:16] }

func (t *textFile) id(r *row) record.ID {
	return record.ID(t.executors[r.executor] + "-" + r.uuid.String())
}

// find returns the first row whose UUID is not after u.
func (t *textFile) find(u []byte) (int, error) {
	p := sort.Search(len(t.pages), func(i int) bool { return string(t.pages[i].first) <= string(u) })
	if p == 0 {
		return 0, nil
	}
	from, to := (p-1)*pageRows, min(p*pageRows, t.len())
	if err := t.need(from, to); err != nil {
		return 0, err
	}
	return from + sort.Search(to-from, func(i int) bool { return string(t.uuid(from+i)) <= string(u) }), nil
}

// rowsWith yields the rows whose UUIDs have a beginning.
func (t *textFile) rowsWith(prefix []byte) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		begin := [16]byte(slices.Concat(prefix, bytes.Repeat([]byte{0xff}, 16-len(prefix))))
		i, err := t.find(begin[:])
		for ; err == nil && i < t.len(); i++ {
			if err = t.need(i, i+1); err != nil || !bytes.HasPrefix(t.uuid(i), prefix) {
				break
			}
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

// blockOf returns the block in which a row is.
func (t *textFile) blockOf(row int) int {
	return sort.Search(len(t.blocks), func(i int) bool { return int(t.blocks[i].first) > row }) - 1
}

// A column is a part of a block, as it is read. Its memory is used again for the next.
type column struct {
	packed, plain []byte
	text          []byte // behind the lengths
	ends          []int  // of each text, and of the last of each task
	perRow        int

	folded     []byte
	foldedEnds []int // of each task
	isFolded   bool
}

// load reads a part of a block. The error wraps errUnusable when it is damaged.
func (t *textFile) load(c *column, number int, p part) error {
	b := t.blocks[number]
	at := b.at
	if p == streams {
		at += int64(b.size[heads])
	}
	var err error
	if c.packed, err = readVerified(t.f, c.packed, at, int(b.size[p]), b.crc[p]); err != nil {
		return err
	}
	if c.plain, err = s2.Decode(c.plain[:cap(c.plain)], c.packed); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	from, to := p.fields()
	c.perRow, c.isFolded = to-from, false
	return c.split(int(t.blocks[number+1].first-b.first) * c.perRow)
}

// split reads the lengths of n texts.
func (c *column) split(n int) error {
	c.text, c.ends = c.plain, c.ends[:0]
	end := 0
	for range n {
		length, k := binary.Uvarint(c.text)
		if k <= 0 || length > uint64(len(c.text)) {
			return errDamaged
		}
		c.text, end = c.text[k:], end+int(length)
		c.ends = append(c.ends, end)
	}
	if end != len(c.text) {
		return errDamaged
	}
	return nil
}

// of returns a text of a task.
func (c *column) of(task, field int) string {
	i := task*c.perRow + field
	from := 0
	if i > 0 {
		from = c.ends[i-1]
	}
	return string(c.text[from:c.ends[i]])
}

// fold folds all texts.
func (c *column) fold() {
	if c.isFolded {
		return
	}
	c.isFolded, c.folded, c.foldedEnds = true, c.folded[:0], c.foldedEnds[:0]
	c.folded = slices.Grow(c.folded, len(c.text))
	var inPlace bool
	if c.folded, inPlace = query.AppendFold(c.folded, c.text); inPlace {
		for i := c.perRow - 1; i < len(c.ends); i += c.perRow {
			c.foldedEnds = append(c.foldedEnds, c.ends[i])
		}
		return
	}
	c.folded = c.folded[:0]
	from := 0
	for i := c.perRow - 1; i < len(c.ends); i += c.perRow {
		c.folded, _ = query.AppendFold(c.folded, c.text[from:c.ends[i]])
		c.foldedEnds = append(c.foldedEnds, len(c.folded))
		from = c.ends[i]
	}
}

// foldedOf returns the texts of a task, folded, one behind the other.
func (c *column) foldedOf(task int) []byte {
	from := 0
	if task > 0 {
		from = c.foldedEnds[task-1]
	}
	return c.folded[from:c.foldedEnds[task]]
}

// record returns the record of a task as far as it is in a row and its heads.
func (t *textFile) record(r *row, h *column, task int) *record.Record {
	rec := new(record.Record)
	r.fill(rec)
	rec.UID, rec.Executor = t.id(r), t.executors[r.executor]
	d := &rec.Data
	rec.Command, d.Message, d.PWD, d.User, d.Host = h.of(task, 0), h.of(task, 1), h.of(task, 2), h.of(task, 3), h.of(task, 4)
	return rec
}
