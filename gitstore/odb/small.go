package odb

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"
	"io"

	"github.com/klauspost/compress/flate"
)

// smallObject is the size up to which an object is deflated without tables that outlive it.
const smallObject = 16 << 10

// A smallDeflater deflates small objects, each into a zlib stream (RFC 1950). It collects an
// object and writes it at Close.
type smallDeflater struct {
	to      io.Writer
	content bytes.Buffer
}

// Write implements io.Writer.
func (d *smallDeflater) Write(b []byte) (int, error) { return d.content.Write(b) }

// Close writes the object.
func (d *smallDeflater) Close() error {
	b := d.content.Bytes()
	if _, err := d.to.Write([]byte{0x78, 0x9c}); err != nil {
		return err
	}
	if err := flate.StatelessDeflate(d.to, b, true, nil); err != nil {
		return err
	}
	_, err := d.to.Write(binary.BigEndian.AppendUint32(nil, adler32.Checksum(b)))
	return err
}
