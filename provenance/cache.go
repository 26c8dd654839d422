package provenance

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"syscall"
	"time"

	"qme/internal/room"
)

const (
	// slots is how many hashes a cache holds at most: a slot has the last one of those that share it.
	slots = 1 << 16
	// slotSize is that of a slot in the file: the state of a file in 48 bytes, one that says how
	// much was hashed, the SHA-256, and a checksum of all this.
	slotSize = 96
	keySize  = 48 + 1
	sumEnd   = keySize + 32
	// settled is how long a file must have been left alone before its hash is stored: within the
	// tick of a clock a change leaves no trace in its times.
	settled = 2 * time.Second
)

// A cache holds hashes of files by their states, in a file of a fixed size that can be deleted at
// any time. Processes share it without locks: what two have written at once fails its checksum. It
// may be used by several goroutines; a nil cache is empty.
type cache struct {
	f    *os.File
	full bool // the disk has no room but for records
}

// openCache opens the cache in a file, which it makes; nil if there is none to be had.
func openCache(name string) *cache {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil // a home that cannot be written has none
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // nothing was written
		return nil
	}
	return &cache{f, !room.Spare(name)}
}

func (c *cache) close() {
	if c != nil {
		_ = c.f.Close() // a hash that is missing is computed again
	}
}

// key returns what a state is in a slot, and where that slot is.
func (s *state) key(partial bool) (key []byte, at int64) {
	key = make([]byte, 0, keySize)
	for _, n := range []uint64{s.dev, s.ino, uint64(s.size), uint64(s.mtime.Nano()), uint64(s.ctime.Nano()), 1} { // 1: of this form
		key = binary.LittleEndian.AppendUint64(key, n)
	}
	if partial {
		return append(key, 1), slotOf(key)
	}
	return append(key, 0), slotOf(key)
}

func slotOf(key []byte) int64 { return int64(crc32.ChecksumIEEE(key)%slots) * slotSize }

// get returns the hash of a file in a state, "" if it is not known.
func (c *cache) get(s *state, partial bool) string {
	if c == nil {
		return ""
	}
	key, at := s.key(partial)
	slot := make([]byte, slotSize)
	if n, err := c.f.ReadAt(slot, at); n < slotSize || err != nil {
		return ""
	}
	if string(slot[:keySize]) != string(key) || binary.LittleEndian.Uint32(slot[sumEnd:]) != crc32.ChecksumIEEE(slot[:sumEnd]) {
		return ""
	}
	return hex.EncodeToString(slot[keySize:sumEnd])
}

// put stores the hash of a file in a state in which it has been for a while.
func (c *cache) put(s *state, partial bool, hash string) {
	age := time.Since(time.Unix(s.ctime.Unix()))
	sum, err := hex.DecodeString(hash)
	if c == nil || c.full || age < settled || err != nil || len(sum) != sumEnd-keySize {
		return
	}
	slot, at := s.key(partial)
	slot = append(slot, sum...)
	slot = binary.LittleEndian.AppendUint32(slot, crc32.ChecksumIEEE(slot))
	slot = append(slot, make([]byte, slotSize-len(slot))...)
	_, _ = c.f.WriteAt(slot, at) // on a full disk it is computed again
}
