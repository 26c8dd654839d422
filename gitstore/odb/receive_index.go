package odb

import (
	"bufio"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"

	"github.com/spf13/afero"
)

// writeIndex writes and flushes the index of a received pack, and returns the name of
// its temporary file. Nothing is left of it after an error.
func (r *receiver) writeIndex(names []nameKey) (string, error) {
	f, err := afero.TempFile(r.db.fs, r.db.packDir(), tmpIndex)
	if err != nil {
		return "", err
	}
	tmp := &packFile{db: r.db, file: f}
	sum := sha1.New()
	b := bufio.NewWriterSize(io.MultiWriter(f, sum), 64<<10)
	r.encodeIndex(b, names)
	err = b.Flush()
	if err == nil {
		_, err = f.Write(sum.Sum(nil))
	}
	if err == nil {
		err = tmp.close()
	}
	if err != nil {
		return "", errors.Join(err, tmp.abort())
	}
	return f.Name(), nil
}

// encodeIndex writes the index (gitformat-pack(5), version 2) up to its checksum. b
// keeps an error for Flush.
func (r *receiver) encodeIndex(b *bufio.Writer, names []nameKey) {
	var tmp [8]byte
	u32 := func(v uint32) { _, _ = b.Write(binary.BigEndian.AppendUint32(tmp[:0], v)) }
	_, _ = b.Write(idxMagic)
	n := 0
	for first := range 256 {
		for n < len(names) && names[n].key>>56 == uint64(first) {
			n++
		}
		u32(uint32(n))
	}
	for _, name := range names {
		_, _ = b.Write(r.slots.at(name.at).hash[:])
	}
	for _, name := range names {
		u32(r.slots.at(name.at).crc)
	}
	var far []int64 // offsets that need more than 31 bits
	for _, name := range names {
		off := r.slots.at(name.at).off
		if off > 1<<31-1 {
			off, far = 1<<31|int64(len(far)), append(far, off)
		}
		u32(uint32(off))
	}
	for _, off := range far {
		_, _ = b.Write(binary.BigEndian.AppendUint64(tmp[:0], uint64(off)))
	}
	_, _ = b.Write(r.sum[:])
}
