package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"qme/internal/safe"
)

// A FetchSession takes objects from a repository. Close it.
type FetchSession struct{ session }

// Fetch connects and reads the advertisement. ctx bounds only this call. It may
// ask the user, and run programs.
func (r *Remote) Fetch(ctx context.Context) (*FetchSession, error) {
	s, err := r.connect(ctx, uploadPack)
	if err != nil {
		return nil, err
	}
	return &FetchSession{*s}, nil
}

// Head returns the full name of the branch that HEAD stands for there; "" when the
// other side does not say.
func (s *FetchSession) Head() string { return s.ad.head }

// Shallow reports whether the history there is cut off, so that it may lack objects that
// its commits need.
func (s *FetchSession) Shallow() bool { return s.ad.shallow }

// Pack returns a pack with all objects that want reaches and the haves do not: whole
// objects, and deltas against others in the pack. want is one of the advertised
// hashes; haves that the other side does not know do not matter. The pack comes as
// it is read. Its end is io.EOF; when it was cut off, or ctx has ended, the error
// is another. The bytes are not checked. It is called once; the reader has to be
// closed.
func (s *FetchSession) Pack(ctx context.Context, want plumbing.Hash, haves []plumbing.Hash) (io.ReadCloser, error) {
	if s.used {
		return nil, errors.New("a session gives one pack")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.used = true
	caps, band := s.ad.use("ofs-delta", "no-progress")
	stop := s.guard(ctx)
	a := s.link.ask(func(w io.Writer) error { return writeWants(w, want, caps, haves) })
	pack, err := s.acknowledged(a, band)
	if err != nil {
		err = s.failed(ctx, err)
		stop()
		return nil, err
	}
	return &packReader{session: &s.session, ctx: ctx, stop: stop, pack: pack, sent: a.sent}, nil
}

// writeWants writes the request. All haves go at once, so that it does not matter
// whether the connection has a state.
func writeWants(w io.Writer, want plumbing.Hash, caps string, haves []plumbing.Hash) error {
	var b bytes.Buffer // never fails
	lines := pktline.NewEncoder(&b)
	_ = lines.EncodeString(strings.TrimSpace("want "+want.String()+" "+caps) + "\n")
	_ = lines.Flush()
	for _, h := range haves {
		_ = lines.EncodeString("have " + h.String() + "\n")
	}
	_ = lines.EncodeString("done\n")
	_, err := w.Write(b.Bytes())
	return err
}

// acknowledgeLimit bounds how many lines may come before the pack. One is usual; a
// common commit and its parent make two.
const acknowledgeLimit = 10_000

// acknowledged reads the lines before the pack and returns the pack.
func (s *FetchSession) acknowledged(a *answer, band bool) (io.Reader, error) {
	in := bufio.NewReaderSize(a, 64<<10)
	lines := pktline.NewScanner(in)
	for range acknowledgeLimit {
		if start, err := in.Peek(4); err == nil && string(start) == "PACK" && !band {
			return in, nil
		}
		if !lines.Scan() {
			return nil, cutOff(lines)
		}
		line := lines.Bytes()
		switch {
		case bytes.HasPrefix(line, []byte("ACK ")), bytes.HasPrefix(line, []byte("NAK")):
		case band && len(line) > 0 && line[0] <= bandError:
			to := &lineWriter{to: s.remote.out, prefix: "remote: "}
			return &demux{lines: lines, to: to, next: true}, nil
		default:
			return nil, fmt.Errorf("\"%s\" where a pack should begin", safe.Line(string(line[:min(len(line), 80)])))
		}
	}
	return nil, errors.New("it goes on acknowledging and sends no pack")
}

// A packReader is the pack of a session.
type packReader struct {
	session *session
	ctx     context.Context
	stop    func() bool
	pack    io.Reader
	sent    func() error
	err     error
}

// Read implements io.Reader.
func (r *packReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.pack.Read(p)
	switch err {
	case nil:
	case io.EOF:
		_ = r.sent() // the answer shows that the request has arrived
		r.err = err
		r.stop()
	default:
		r.err = r.session.failed(r.ctx, err)
		r.stop()
	}
	return n, r.err
}

// Close implements io.Closer. What has not been read is not fetched.
func (r *packReader) Close() error {
	if r.err == nil {
		r.err = errors.New("the pack is closed")
		r.session.link.abort()
	}
	r.stop()
	return nil
}
