package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/procfs"
)

// A trace within a trace cannot listen by itself: the kernel allows one listener. So the outer Tracer
// serves the inner one, over a unix socket whose address is in the environment of the command. It
// keeps, beside its own, what is seen of a process of the inner one and its descendants.

// A request is what an inner Tracer sends when its command is about to start. It is answered by an
// answered, and a second one, when the rest is wanted, by a share.
type request struct {
	PID int // of the process whose descendants are meant
}

// An answered says whether a request was granted.
type answered struct {
	Error string
}

// A share is a Result as it is sent: JSON has no names that are not UTF-8.
type share struct {
	Files     []sharedFile
	Temporary int
	Losses    Losses
}

// A sharedFile is a File with the bytes of its names.
type sharedFile struct {
	File
	Path, ReadBy, WrittenBy []byte
}

func shareOf(r Result) share {
	s := share{Temporary: r.Temporary, Losses: r.Losses}
	for _, f := range r.Files {
		s.Files = append(s.Files, sharedFile{f, []byte(f.Path), []byte(f.ReadBy), []byte(f.WrittenBy)})
	}
	return s
}

func (s share) result() Result {
	r := Result{Temporary: s.Temporary, Losses: s.Losses}
	for _, f := range s.Files {
		f.File.Path, f.File.ReadBy, f.File.WrittenBy = string(f.Path), string(f.ReadBy), string(f.WrittenBy)
		r.Files = append(r.Files, f.File)
	}
	return r
}

// longestRequests bounds what is read of an inner Tracer.
const longestRequests = 4096

// asking is how long an inner Tracer waits for an answer.
const asking = 2 * time.Second

// A server serves inner Tracers.
type server struct {
	listener net.Listener
	mu       sync.Mutex
	inner    []*innerTrace
	members  map[int]member
	kept     func() uint64 // how many calls the keeper has let go
}

// An innerTrace is what is seen of the descendants of a process.
type innerTrace struct {
	pid  int
	seen *sightings
}

// A member is a thread with the traces to which it belongs.
type member struct {
	of   []*innerTrace
	born uint64
	at   time.Time
	// orphan says that its parents had ended when it was first seen, so it may belong to any.
	orphan bool
}

// serve opens the socket. Its name is abstract: it has no file, and ends with this process.
func serve(kept func() uint64) (*server, error) {
	name := fmt.Sprintf("@qme-trace-%d-%d", os.Getpid(), time.Now().UnixNano())
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	s := &server{listener: l, members: map[int]member{}, kept: kept}
	go s.accept()
	return s, nil
}

// address is the value of Variable.
func (s *server) address() string { return s.listener.Addr().String() }

func (s *server) close() { _ = s.listener.Close() } // nobody asks any more

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }() // the other end has it all, or is gone
			s.serve(conn.(*net.UnixConn))
		}()
	}
}

// serve answers an inner Tracer until it has ended.
func (s *server) serve(conn *net.UnixConn) {
	if os.Geteuid() != 0 && ownPeer(conn) != nil {
		return // nothing is read of it; root traces what other users run
	}
	in, out := json.NewDecoder(io.LimitReader(conn, longestRequests)), json.NewEncoder(conn)
	var r request
	if in.Decode(&r) != nil {
		return
	}
	if err := mayTrace(conn, r.PID); err != nil {
		_ = out.Encode(answered{err.Error()}) // the other end may be gone
		return
	}
	kept := s.kept()
	one := &innerTrace{r.PID, newSightings()}
	s.mu.Lock()
	s.inner = append(s.inner, one)
	clear(s.members)
	s.mu.Unlock()
	defer s.remove(one)
	if out.Encode(answered{}) != nil || in.Decode(&r) != nil {
		return
	}
	s.remove(one)
	result := one.seen.result()
	result.Losses.Kept = int(s.kept() - kept)
	_ = out.Encode(shareOf(result)) // likewise
}

func (s *server) remove(one *innerTrace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.inner {
		if o == one {
			s.inner = append(s.inner[:i:i], s.inner[i+1:]...)
			clear(s.members)
			return
		}
	}
}

// peerOf returns who is at the other end.
func peerOf(conn *net.UnixConn) (peer *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(err, cerr)
}

// ownPeer reports whether the other end is of this user, or of root. Anybody can connect to a name, and
// take one that is free again.
func ownPeer(conn *net.UnixConn) error {
	peer, err := peerOf(conn)
	if err != nil {
		return err
	}
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return errors.New("it is of another user")
	}
	return nil
}

// mayTrace reports whether the process at the other end may ask for another one: it must be its child.
func mayTrace(conn *net.UnixConn, pid int) error {
	peer, err := peerOf(conn)
	if err != nil {
		return err
	}
	var r procfs.Reader
	for at := pid; at > 1; {
		stat, ok := r.Stat(at)
		if !ok {
			return errors.New("the process that is meant is not seen here, as in a container")
		}
		if at = stat.Parent; at == int(peer.Pid) {
			return nil
		}
	}
	return errors.New("the process that is meant is not a child of the one that asks")
}

// of returns the inner traces to which a thread belongs.
func (s *server) of(tid int) []*innerTrace {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.inner) == 0 {
		return nil
	}
	now := time.Now()
	m, known := s.members[tid]
	if known && now.Sub(m.at) < viewing {
		return m.of
	}
	if len(s.members) > mostViewers {
		clear(s.members)
	}
	next := s.find(tid)
	if known && next.born == m.born && len(next.of) < len(m.of) {
		next.of = m.of // its parents have ended
	}
	if next.orphan && len(next.of) == 0 {
		for _, one := range s.inner {
			one.seen.lose(func(l *Losses) { l.Unreadable++ })
		}
	}
	next.at = now
	s.members[tid] = next
	return next.of
}

// find looks for the processes of inner traces among the ancestors of a thread.
func (s *server) find(tid int) (m member) {
	var r procfs.Reader
	stat, ok := r.Stat(tid)
	if !ok {
		return m
	}
	m.born = stat.Born
	at := group(tid)
	for range 10_000 {
		for _, one := range s.inner {
			if one.pid == at {
				m.of = append(m.of, one)
			}
		}
		if at == os.Getpid() {
			return m
		}
		if stat, ok = r.Stat(at); !ok || stat.Parent <= 1 {
			m.orphan = true
			return m
		}
		at = stat.Parent
	}
	return m
}

// group returns the process of a thread.
func group(tid int) int {
	status, err := os.ReadFile(proc(tid) + "status")
	if err != nil {
		return tid
	}
	_, rest, _ := bytes.Cut(status, []byte("\nTgid:\t"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if pid, err := strconv.Atoi(string(line)); err == nil {
		return pid
	}
	return tid
}

// join has the outer Tracer trace a process, the stage.
func (t *Tracer) join(outer string, pid int) error {
	if outer == "" {
		return errors.New("another program listens to the calls of this one")
	}
	conn, err := net.DialTimeout("unix", outer, asking)
	if err != nil {
		return fmt.Errorf("the trace around this one: %w", err)
	}
	if err := ownPeer(conn.(*net.UnixConn)); err != nil {
		_ = conn.Close() // nothing was sent
		return fmt.Errorf("the trace around this one: %w", err)
	}
	t.outer = &outerTrace{conn: conn, in: json.NewDecoder(bufio.NewReader(conn)), out: json.NewEncoder(conn)}
	var a answered
	if err := t.outer.ask(request{PID: pid}, &a); err != nil {
		return fmt.Errorf("the trace around this one: %w", err)
	}
	if a.Error != "" {
		return fmt.Errorf("the trace around this one: %s", a.Error)
	}
	return nil
}

// An outerTrace is the connection to the Tracer around this one.
type outerTrace struct {
	conn net.Conn
	in   *json.Decoder
	out  *json.Encoder
}

func (o *outerTrace) ask(r request, answer any) error {
	if err := o.conn.SetDeadline(time.Now().Add(asking)); err != nil {
		return err
	}
	if err := o.out.Encode(r); err != nil {
		return err
	}
	return o.in.Decode(answer)
}

// close ends the connection; nil has none.
func (o *outerTrace) close() {
	if o != nil {
		_ = o.conn.Close() // all has been said
	}
}
