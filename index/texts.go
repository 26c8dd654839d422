package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/klauspost/compress/s2"

	"qme/index/query"
	"qme/record"
)

// A segment has a file of text beside its table of grams, which says which blocks of tasks may
// have what is asked for: what is found is decided there, without a look at git. It holds
// blocks of neighbouring tasks, each in two compressed parts (what is short; the streams), a
// row of each task, newest first, and a directory: where the blocks are, the checksums of
// the rows, and the names of the executors. The manifest has the directory's checksum, the
// directory those of all else.

const (
	// A block ends with blockTasks tasks or blockText bytes of text.
	blockTasks = 16
	blockText  = 256 << 10
	blockSize  = 8 + 5*4
	// pageRows are the rows that have a checksum.
	pageRows = 4096
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

// A textFile is an open one. Its methods may be called from several goroutines.
type textFile struct {
	f         *os.File
	rows      []byte
	blocks    []block // and one behind the last
	executors []string
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

// readTable reads directory and rows, and verifies them.
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
	t.rows = make([]byte, info.Rows*rowSize)
	var pages []rowPage
	for page := range slices.Chunk(t.rows, pageRows*rowSize) {
		at := info.Table + int64(len(pages))*pageRows*rowSize
		pages = append(pages, rowPage{page, at, binary.LittleEndian.Uint32(directory)})
		directory = directory[4:]
	}
	t.executors = strings.Split(string(directory), "\n")
	read := func(p rowPage) error {
		_, err := readVerified(t.f, p.rows, p.at, len(p.rows), p.crc)
		return err
	}
	for perr := range inOrder(slices.Values(pages), func() func(rowPage) error { return read }) {
		err = errors.Join(err, perr)
	}
	return err
}

// A rowPage is where rows are to be read to, and from where.
type rowPage struct {
	rows []byte
	at   int64
	crc  uint32
}

func (t *textFile) len() int { return len(t.rows) / rowSize }

func (t *textFile) row(i int) row { return decodeRow(t.rows[i*rowSize:]) }

// uuid returns the bytes of a task's UUID, which are the file's.
func (t *textFile) uuid(i int) []byte { return t.rows[i*rowSize:][:16] }

func (t *textFile) flags(i int) uint32 { return binary.LittleEndian.Uint32(t.rows[i*rowSize+20:]) }

func (t *textFile) id(r *row) record.ID {
	return record.ID(t.executors[r.executor] + "-" + r.uuid.String())
}

// find returns the first row whose UUID is not after u.
func (t *textFile) find(u []byte) int {
	return sort.Search(t.len(), func(i int) bool { return string(t.uuid(i)) <= string(u) })
}

// spans reports whether the beginning of a UUID is not beyond those of the file.
func (t *textFile) spans(prefix []byte) bool {
	n := len(prefix)
	return t.len() > 0 && string(prefix) <= string(t.uuid(0)[:n]) && string(prefix) >= string(t.uuid(t.len() - 1)[:n])
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
