package dashboard

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"qme/record"
	"qme/tasks"
	"qme/tests/await"
)

// frame makes a frame of a client (RFC 6455, section 5.2).
func frame(first byte, length uint64, payload string) []byte {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	b = append(b, 0, 0, 0, 0) // a mask that changes nothing
	return append(b, payload...)
}

// knock opens a websocket by hand, and returns the connection behind the greeting.
func knock(s *Server, addr string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET /api/live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", s.options.Key)
	if err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("the websocket is answered with %s", resp.Status)
	}
	return conn, errors.Join(err, resp.Body.Close()) // what follows has no body
}

// FuzzFrames sends whatever bytes behind the opening of a websocket. The server ends the
// connection once no more comes, keeps nothing of it, and goes on for others.
func FuzzFrames(f *testing.F) {
	watch := `{"type": "watch", "id": "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "stream": "stdout", "offset": 0, "style": ""}`
	for _, seed := range [][]byte{
		frame(0x81, uint64(len(watch)), watch), frame(0x82, 2, "{}"), frame(0x01, 1, "{"), append(frame(0x01, 1, "{"), frame(0x80, 1, "}")...),
		frame(0x80, 1, "}"), frame(0x89, 4, "ping"), frame(0x8a, 0, ""), frame(0x88, 2, "\x03\xe8"), frame(0x88, 1, "\x03"), frame(0x89, 200, strings.Repeat("x", 200)),
		frame(0xf1, 2, "{}"), frame(0x83, 2, "{}"), frame(0x8f, 2, "{}"), frame(0x81, 1<<63, ""), frame(0x81, 1<<63-1, "x"), frame(0x81, 70000, strings.Repeat(" ", 70000)),
		{0x81, 2, '{', '}'}, {0x81}, {0x81, 0xfe}, {}, frame(0x81, 2, "\xff\xfe"), []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 100),
	} {
		f.Add(seed)
	}
	s := serverOf(missing{}, Options{Key: NewKey(), Log: func(string, ...any) {}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l, nil) }()
	f.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			f.Errorf("Serve returns %v", err)
		}
	})
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, err := knock(s, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			_, _ = conn.Write(sent)              // the server may have had enough
			_ = conn.(*net.TCPConn).CloseWrite() // likewise
		}()
		// What it says is for others to look at; that it comes to an end counts.
		if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
			t.Fatalf("the connection is kept: %v", err)
		}
		await.That(t, "no client", func() bool { return s.hub.count() == 0 })
	})
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// missing has no task.
type missing struct{ emptyHome }

func (missing) Find(ref string, _ int) (tasks.Version, error) {
	return tasks.Version{}, fmt.Errorf("task %s: %w", ref, record.ErrNotFound)
}
