package worktree

import (
	"bytes"
	"crypto/sha1" // git's names of objects; nothing here depends on its strength
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/internal/regular"
	"qme/record"
)

const (
	// indexLimit bounds the size of an index, about 80,000 files.
	indexLimit = 8 << 20
	hashLen    = sha1.Size
	headerLen  = 12
	statLen    = 40 // the fields of an entry before its hash
)

// errUnsupported says that an index is of a kind that is not read here.
var errUnsupported = errors.New("unsupported index")

// The bits of an entry's mode and flags (gitformat-index(5)).
const (
	typeMask     = 0o170000
	typeRegular  = 0o100000
	typeLink     = 0o120000
	typeGitlink  = 0o160000
	typeDir      = 0o040000
	flagNameLen  = 0x0fff
	flagStage    = 0x3000
	flagExtended = 0x4000
	flagAssume   = 0x8000 // update-index --assume-unchanged
	flagSkip     = 0x4000 // skip-worktree, of the extended flags
	flagIntent   = 0x2000 // add --intent-to-add, of the extended flags
)

// An entry is a tracked file.
type entry struct {
	name         string
	ctime, mtime stamp
	ino          uint32
	mode         uint32
	size         uint32
	hash         plumbing.Hash
	assume, skip bool
}

// A stamp is a time as the index holds it.
type stamp struct{ sec, nsec uint32 }

// An index is a repository's index. The zero index has no entries, as that of a
// repository in which nothing was ever added.
type index struct {
	entries []entry
	tree    *cacheTree // nil when the index holds none
	mtime   time.Time  // when the file was written
	// unsettled is set by an unmerged or an intent-to-add entry.
	unsettled bool
	// hiddenAttributes is set when a .gitattributes file is tracked and git was
	// told not to look at the one on disk.
	hiddenAttributes bool
}

// readIndex reads the index of r. It needs no lock: git replaces the file as a
// whole.
func readIndex(r *repo) (*index, error) {
	b, info, err := regular.ReadBounded(filepath.Join(r.gitDir, "index"), indexLimit, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &index{}, nil
	}
	if err != nil {
		return nil, err
	}
	idx := &index{mtime: info.ModTime()}
	if err := idx.decode(b); err != nil {
		return nil, fmt.Errorf("index of %s: %w", r.gitDir, err)
	}
	return idx, nil
}

func (idx *index) decode(b []byte) error {
	if len(b) < headerLen+hashLen || string(b[:4]) != "DIRC" {
		return record.ErrCorrupt
	}
	version, count := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if version < 2 || version > 4 {
		return fmt.Errorf("%w: version %d", errUnsupported, version)
	}
	body, sum := b[:len(b)-hashLen], b[len(b)-hashLen:]
	// With index.skipHash git leaves the checksum zero.
	if want := sha1.Sum(body); !bytes.Equal(sum, want[:]) && !bytes.Equal(sum, make([]byte, hashLen)) {
		return fmt.Errorf("%w: checksum", record.ErrCorrupt)
	}
	if int64(count)*(statLen+hashLen+2) > int64(len(body)) {
		return record.ErrCorrupt
	}
	d := decoder{b: body, text: string(body), pos: headerLen, version: version}
	idx.entries = make([]entry, count)
	for i := range idx.entries {
		if err := d.entry(&idx.entries[i], idx); err != nil {
			return err
		}
	}
	return d.extensions(idx)
}

// A decoder reads the entries of an index one after the other.
type decoder struct {
	b       []byte
	text    string // b once more: names are parts of it, so that they cost no memory of their own
	pos     int
	version uint32
	prev    string // the name before, of which version 4 stores the difference
}

func (d *decoder) entry(e *entry, idx *index) error {
	start := d.pos
	if len(d.b)-start < statLen+hashLen+4 {
		return record.ErrCorrupt
	}
	f := d.b[start:]
	u32 := func(i int) uint32 { return binary.BigEndian.Uint32(f[i:]) }
	e.ctime, e.mtime = stamp{u32(0), u32(4)}, stamp{u32(8), u32(12)}
	e.ino, e.mode, e.size = u32(20), u32(24), u32(36)
	copy(e.hash[:], f[statLen:])
	flags := binary.BigEndian.Uint16(f[statLen+hashLen:])
	d.pos += statLen + hashLen + 2
	extended := uint16(0)
	if flags&flagExtended != 0 {
		extended = binary.BigEndian.Uint16(d.b[d.pos:])
		d.pos += 2
	}
	if err := d.name(e, start, int(flags&flagNameLen)); err != nil {
		return err
	}
	e.assume, e.skip = flags&flagAssume != 0, extended&flagSkip != 0
	if flags&flagStage != 0 || extended&flagIntent != 0 {
		idx.unsettled = true
	}
	if (e.assume || e.skip) && (e.name == attributesName || strings.HasSuffix(e.name, "/"+attributesName)) {
		idx.hiddenAttributes = true
	}
	return nil
}

// name reads the name of the entry that began at start.
func (d *decoder) name(e *entry, start, length int) error {
	strip := 0
	if d.version == 4 {
		if strip = d.varint(); strip < 0 || strip > len(d.prev) {
			return record.ErrCorrupt
		}
	}
	if d.version == 4 || length == flagNameLen {
		length = strings.IndexByte(d.text[d.pos:], 0)
	}
	if length < 0 || d.pos+length >= len(d.text) {
		return record.ErrCorrupt
	}
	e.name = d.text[d.pos : d.pos+length]
	d.pos += length + 1
	if d.version == 4 {
		e.name = d.prev[:len(d.prev)-strip] + e.name
		d.prev = e.name
		return nil
	}
	// Entries are padded with one to eight zeros.
	d.pos = start + (d.pos-1-start+8)&^7
	if d.pos > len(d.b) {
		return record.ErrCorrupt
	}
	return nil
}

// varint reads a number in the encoding of pack offsets, and returns -1 when
// there is none.
func (d *decoder) varint() int {
	n := 0
	for i := d.pos; i < len(d.b) && n < indexLimit; i++ {
		c := d.b[i]
		n = n<<7 | int(c&0x7f)
		if c&0x80 == 0 {
			d.pos = i + 1
			return n
		}
		n++
	}
	return -1
}
