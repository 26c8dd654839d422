package remote

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

// The channels of a side band.
const (
	bandData    = 1
	bandMessage = 2
	bandError   = 3
)

// A demux takes the data out of a side band and passes the messages on. Its end is
// the flush packet: without that, the connection was cut.
type demux struct {
	lines *pktline.Scanner
	to    *lineWriter
	data  []byte // the rest of the current packet
	err   error
	next  bool // the current packet is not looked at yet
	said  int  // bytes of messages
}

// Read implements io.Reader.
func (d *demux) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.data) == 0 {
		if d.err == nil {
			d.err = d.packet()
		}
		if d.err != nil {
			return 0, d.err
		}
	}
	n := copy(p, d.data)
	d.data = d.data[n:]
	return n, nil
}

// packet takes the next packet.
func (d *demux) packet() error {
	if !d.next && !d.lines.Scan() {
		return cutOff(d.lines)
	}
	d.next = false
	b := d.lines.Bytes()
	if len(b) == 0 {
		d.to.flush()
		return io.EOF
	}
	switch b[0] {
	case bandData:
		d.data = b[1:]
	case bandMessage:
		if d.said += len(b); d.said > saidLimit {
			return fmt.Errorf("it says more than %d bytes beside its answer", saidLimit)
		}
		_, _ = d.to.Write(b[1:]) // never fails
	case bandError:
		return &serverError{string(b[1:])}
	default:
		return fmt.Errorf("packet for channel %d of the side band", b[0])
	}
	return nil
}

// cutOff is why there is no further line where there has to be one. The scanner has
// io.EOF for a line that is cut off after its length, which must not pass for the
// end.
func cutOff(lines *pktline.Scanner) error {
	if err := lines.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return io.ErrUnexpectedEOF
}
