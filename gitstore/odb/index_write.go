package odb

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// An indexEntry is an object of a pack, for its index.
type indexEntry struct {
	hash plumbing.Hash
	crc  uint32 // of the entry in the pack
	off  int64
}

// writeIndex writes and flushes the index of a pack with the given checksum, and returns the
// name of its temporary file. Nothing is left of it after an error. at returns the i-th of n
// objects in the order of their names.
func (db *DB) writeIndex(pack plumbing.Hash, n int, at func(i int) indexEntry) (string, error) {
	tmp, err := db.newTempFile(tmpIndex)
	if err != nil {
		return "", err
	}
	sum := sha1.New()
	b := bufio.NewWriterSize(io.MultiWriter(tmp.file, sum), 64<<10)
	encodeIndex(b, pack, n, at)
	err = b.Flush()
	if err == nil {
		_, err = tmp.file.Write(sum.Sum(nil))
	}
	if err == nil {
		err = tmp.close()
	}
	if err != nil {
		return "", errors.Join(err, tmp.abort())
	}
	return tmp.file.Name(), nil
}

// encodeIndex writes the index (gitformat-pack(5), version 2) up to its checksum. b
// keeps an error for Flush.
func encodeIndex(b *bufio.Writer, pack plumbing.Hash, n int, at func(i int) indexEntry) {
	var tmp [8]byte
	u32 := func(v uint32) { _, _ = b.Write(binary.BigEndian.AppendUint32(tmp[:0], v)) }
	_, _ = b.Write(idxMagic)
	up := 0
	for first := range 256 {
		for up < n && at(up).hash[0] == byte(first) {
			up++
		}
		u32(uint32(up))
	}
	for i := range n {
		h := at(i).hash
		_, _ = b.Write(h[:])
	}
	for i := range n {
		u32(at(i).crc)
	}
	var far []int64 // offsets that need more than 31 bits
	for i := range n {
		off := at(i).off
		if off > 1<<31-1 {
			off, far = 1<<31|int64(len(far)), append(far, off)
		}
		u32(uint32(off))
	}
	for _, off := range far {
		_, _ = b.Write(binary.BigEndian.AppendUint64(tmp[:0], uint64(off)))
	}
	_, _ = b.Write(pack[:])
}

// sortEntries puts objects into the order of their names.
func sortEntries(entries []indexEntry) {
	slices.SortFunc(entries, func(a, b indexEntry) int { return bytes.Compare(a.hash[:], b.hash[:]) })
}
