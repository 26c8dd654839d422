package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"qme/internal/safe"
)

// A PushSession sends objects to a repository and moves a branch of it. Close it.
type PushSession struct{ session }

// Push connects and reads the advertisement. ctx bounds only this call. It may
// ask the user, and run programs.
func (r *Remote) Push(ctx context.Context) (*PushSession, error) {
	s, err := r.connect(ctx, receivePack)
	if err != nil {
		return nil, err
	}
	return &PushSession{*s}, nil
}

// Update moves ref, a full name, from old to new; an old of zero makes it. pack
// writes a pack with all that new reaches and the other side lacks; it is called
// at most once, in another goroutine, and is done when Update returns. Update
// returns an error of its own.
//
// When the error is ErrMoved, ErrDeclined, ErrAccess or that of pack, the ref was
// not moved. When it is another, or ctx has ended, that may be unknown: look again.
// Update is called once.
func (s *PushSession) Update(ctx context.Context, ref string, old, new plumbing.Hash, pack func(io.Writer) error) error {
	switch {
	case s.used:
		return errors.New("a session makes one update")
	case new.IsZero() || !strings.HasPrefix(ref, "refs/") || strings.ContainsFunc(ref, isControl):
		return fmt.Errorf("%q cannot be moved to %s", ref, new)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if s.ad.refs[ref] != old {
		return s.remote.fail(ErrMoved, fmt.Sprintf("%s is at %s, not at %s", ref, s.ad.refs[ref], old), "")
	}
	if !s.ad.has("report-status") {
		return s.remote.fail(ErrProtocol, "it does not report whether a push has worked", "")
	}
	s.used = true
	caps, band := s.ad.use("report-status", "ofs-delta", "quiet")
	up := &upload{pack: pack, fail: s.link.abort}
	defer s.guard(ctx)()
	a := s.link.ask(func(w io.Writer) error { return up.write(w, ref, old, new, caps) })
	return s.reported(ctx, a, up, ref, band)
}

// An upload is the request of a push.
type upload struct {
	pack   func(io.Writer) error
	fail   func() // ends the connection
	to     io.Writer
	held   []byte // the last bytes of the pack so far
	broken bool   // to has failed
	err    error  // pack has failed of itself
}

// checksumSize is that of the checksum at the end of a pack. It is sent only when
// pack has returned without an error: without it no pack is a whole one.
const checksumSize = 20

// Write passes on bytes of the pack, but for the last.
func (u *upload) Write(p []byte) (int, error) {
	now := max(0, len(u.held)+len(p)-checksumSize)
	old := min(now, len(u.held))
	if err := u.send(u.held[:old]); err != nil {
		return 0, err
	}
	if err := u.send(p[:now-old]); err != nil {
		return 0, err
	}
	u.held = append(append([]byte(nil), u.held[old:]...), p[now-old:]...)
	return len(p), nil
}

func (u *upload) send(p []byte) error {
	_, err := u.to.Write(p)
	u.broken = u.broken || err != nil
	return err
}

func (u *upload) write(w io.Writer, ref string, old, new plumbing.Hash, caps string) error {
	u.to = w
	lines := pktline.NewEncoder(w)
	// The first line has a NUL before the capabilities.
	if err := lines.EncodeString(old.String() + " " + new.String() + " " + ref + "\x00 " + caps); err != nil {
		return err
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	err := u.pack(u)
	if err != nil && !u.broken {
		u.err = err
		u.fail()
	}
	if err != nil {
		return err
	}
	return u.send(u.held)
}

// reported reads the server's report of the update.
func (s *PushSession) reported(ctx context.Context, a *answer, up *upload, ref string, band bool) error {
	// Messages about a branch that has moved are not shown: callers try again.
	said := &lineWriter{to: s.remote.out, prefix: "remote: ", held: true, doubt: saysMoved}
	in := io.Reader(a)
	if band {
		in = &demux{lines: pktline.NewScanner(a), to: said}
	}
	rep, err := readReport(in, ref)
	if err == nil {
		// Hooks that run after the update may still have something to say. A
		// connection that ends meanwhile changes nothing any more.
		_, _ = io.Copy(io.Discard, in)
	}
	said.flush()
	if err != nil {
		err = s.unreported(ctx, err)
	}
	_ = a.sent() // the report says whether all was read
	if err == nil {
		err = s.judge(rep, said.text())
	}
	if errors.Is(err, ErrMoved) {
		said.drop()
	}
	said.release()
	switch {
	case up.err != nil && ctx.Err() == nil:
		return fmt.Errorf("%s: %w", s.remote, up.err)
	case err != nil && ctx.Err() != nil:
		return ctx.Err() // the server rejects the pack that was cut off
	}
	return err
}

// unreported is the error when a push has got no report.
func (s *PushSession) unreported(ctx context.Context, err error) error {
	err = s.failed(ctx, err)
	var f *failure
	if errors.As(err, &f) && (errors.Is(f.kind, ErrOffline) || errors.Is(f.kind, ErrProtocol) || errors.Is(f.kind, ErrServer)) {
		f.hint = "It is not known whether the push has arrived. " + f.hint
	}
	return err
}

// A report is the server's report of an update: "" for success.
type report struct{ unpack, ref string }

// reportLimit bounds a report, in bytes.
const reportLimit = 1 << 20

func readReport(r io.Reader, ref string) (rep report, err error) {
	limited := &io.LimitedReader{R: r, N: reportLimit}
	lines := pktline.NewScanner(limited)
	var unpacked, known bool
	for lines.Scan() {
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		verb, rest, _ := strings.Cut(line, " ")
		name, why, _ := strings.Cut(rest, " ")
		switch {
		case line == "" && unpacked && (known || rep.unpack != ""):
			return rep, nil
		case verb == "unpack":
			if unpacked = true; rest != "ok" {
				rep.unpack = rest
			}
		case verb == "ok" && name == ref:
			known = true
		case verb == "ng" && name == ref:
			if known, rep.ref = true, why; why == "" {
				rep.ref = "rejected"
			}
		case verb == "option": // of a kind of report that was not asked for
		default:
			return rep, fmt.Errorf("\"%s\" in the report of the push", safe.Line(line[:min(len(line), 80)]))
		}
	}
	if limited.N <= 0 {
		return rep, errors.New("the report of the push does not end")
	}
	return rep, cutOff(lines)
}

// moved are the words, in lower case, by which services say that a ref is not
// where the update expects it.
var moved = []string{
	"failed to update ref", "non-fast-forward", "fetch first", "cannot lock ref", "failed to lock", "incorrect old value",
	"reference already exists", "remote ref changed", "lock_failure", "lock error", "stale info", "cannot update ref",
}

// saysMoved reports whether a text is about a ref that is not where it is expected.
func saysMoved(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(moved, func(words string) bool { return strings.Contains(text, words) })
}

// judge makes an error of a report, or nil.
func (s *PushSession) judge(rep report, said string) error {
	why := rep.ref
	if rep.unpack != "" {
		why = strings.TrimPrefix(rep.unpack+"\n"+rep.ref, "\n")
	}
	if why == "" {
		return nil
	}
	all := strings.TrimSpace(said + "\n" + why)
	show := all
	if s.remote.out.read() {
		show = why // the rest has just been read
	}
	stale := rep.unpack == "" && saysMoved(rep.ref)
	// A service that cannot write where it stores says so in its messages alone. The
	// messages of a hook are its own.
	if stale || rep.unpack != "" {
		if _, kind := classify(all); errors.Is(kind, ErrAccess) {
			return s.remote.said(all, ErrAccess, "")
		}
		if strings.Contains(all, "No space left") || strings.Contains(all, "quota exceeded") {
			return s.remote.fail(ErrServer, all, "There has to be more room on the other side.")
		}
	}
	if stale {
		return s.remote.fail(ErrMoved, all, "") // nothing of it was shown
	}
	return s.remote.fail(ErrDeclined, show, "")
}
