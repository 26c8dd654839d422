package index

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"

	"qme/index/query"
	"qme/internal/regular"
	"qme/record"
)

// Beside each segment, which says which blocks of tasks may have what is asked for, there
// is a file of their text: what is found is decided there, without a look at git. It holds
// blocks of neighbouring tasks, each in two compressed parts (what is short; the streams),
// and a table: a row of each task, newest first, where the blocks are, and the names of
// the executors. The manifest has the table's checksum, the table those of the parts.

const (
	// A block ends with blockTasks tasks or blockText bytes of text.
	blockTasks = 16
	blockText  = 256 << 10
	blockSize  = 8 + 5*4
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
	Rows   int    `json:"rows"`
	Blocks int    `json:"blocks"`
	Table  int64  `json:"table"` // where it begins
	Size   int64  `json:"size"`  // of the file
	CRC    uint32 `json:"crc"`   // CRC-32 (IEEE) of the table
}

// A textWriter writes a text file.
type textWriter struct {
	f         *os.File
	w         *bufio.Writer
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
	return &textWriter{f: f, w: bufio.NewWriterSize(f, 1<<16)}, nil
}

// add writes a block of tasks.
func (t *textWriter) add(entries []entry) error {
	b := block{first: uint32(t.info.Rows), at: t.at}
	texts := make([]query.Texts, len(entries))
	for i, e := range entries {
		r, err := newRow(e)
		if err != nil {
			return err
		}
		r.executor = t.executor(e.id.Executor())
		t.rows = appendRow(t.rows, r)
		if e.doc != nil {
			texts[i] = e.doc.Texts()
		}
	}
	for p := range b.size {
		packed := s2.Encode(nil, encodePart(texts, part(p)))
		if _, err := t.w.Write(packed); err != nil {
			return err
		}
		b.size[p], b.crc[p] = uint32(len(packed)), crc32.ChecksumIEEE(packed)
		t.at += int64(len(packed))
	}
	t.blocks = appendBlock(t.blocks, b)
	t.info.Rows += len(entries)
	t.info.Blocks++
	return nil
}

func (t *textWriter) executor(name string) uint32 {
	i := slices.Index(t.executors, name)
	if i < 0 {
		i = len(t.executors)
		t.executors = append(t.executors, name)
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

// finish writes the table and closes the file.
func (t *textWriter) finish() (textInfo, error) {
	table := slices.Concat(t.rows, t.blocks, []byte(strings.Join(t.executors, "\n")))
	_, err := t.w.Write(table)
	err = errors.Join(err, t.w.Flush(), t.f.Close())
	t.info.Table, t.info.CRC, t.info.Size = t.at, crc32.ChecksumIEEE(table), t.at+int64(len(table))
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
	f, err := regular.OpenHere(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	t := &textFile{f: f}
	if err := t.readTable(info); err != nil {
		return nil, errors.Join(unusable(fmt.Errorf("%s: %w", path, err)), f.Close())
	}
	return t, nil
}

func (t *textFile) readTable(info textInfo) error {
	st, err := t.f.Stat()
	if err != nil {
		return err
	}
	if st.Size() != info.Size {
		return fmt.Errorf("it has %d bytes, not %d", st.Size(), info.Size)
	}
	table := make([]byte, info.Size-info.Table)
	if _, err := t.f.ReadAt(table, info.Table); err != nil {
		return err
	}
	if crc32.ChecksumIEEE(table) != info.CRC {
		return errors.New("its table is damaged")
	}
	rows := info.Rows * rowSize
	t.rows, table = table[:rows], table[rows:]
	for range info.Blocks {
		t.blocks = append(t.blocks, decodeBlock(table))
		table = table[blockSize:]
	}
	t.blocks = append(t.blocks, block{first: uint32(info.Rows), at: info.Table})
	t.executors = strings.Split(string(table), "\n")
	return nil
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

// rowOf returns the row of a task.
func (t *textFile) rowOf(id record.ID) (int, bool) {
	u, err := uuid.Parse(id.UUID())
	if err != nil || !t.spans(u[:]) {
		return 0, false
	}
	for i := t.find(u[:]); i < t.len() && string(t.uuid(i)) == string(u[:]); i++ {
		if r := t.row(i); t.executors[r.executor] == id.Executor() {
			return i, true
		}
	}
	return 0, false
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

// errBlock says that a block is not what was written.
var errBlock = errors.New("a block of the search index is damaged")

// load reads a part of a block.
func (t *textFile) load(c *column, number int, p part) error {
	b := t.blocks[number]
	at := b.at
	if p == streams {
		at += int64(b.size[heads])
	}
	c.packed = slices.Grow(c.packed[:0], int(b.size[p]))[:b.size[p]]
	if _, err := t.f.ReadAt(c.packed, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if crc32.ChecksumIEEE(c.packed) != b.crc[p] {
		return errBlock
	}
	var err error
	if c.plain, err = s2.Decode(c.plain[:cap(c.plain)], c.packed); err != nil {
		return fmt.Errorf("%w: %w", errBlock, err)
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
			return errBlock
		}
		c.text, end = c.text[k:], end+int(length)
		c.ends = append(c.ends, end)
	}
	if end != len(c.text) {
		return errBlock
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
	for i, end := range c.ends { // each by itself: nothing is composed of two texts
		c.folded, _ = query.AppendFold(c.folded, c.text[from:end])
		if from = end; i%c.perRow == c.perRow-1 {
			c.foldedEnds = append(c.foldedEnds, len(c.folded))
		}
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
	if commit, branch := h.of(task, 5), h.of(task, 6); commit != "" || branch != "" {
		d.Git = &record.Git{Commit: commit, Branch: branch}
	}
	return rec
}
