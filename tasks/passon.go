package tasks

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"qme/record"
)

const (
	// pieceSize is how many bytes of a stream are read at once.
	pieceSize = 256 << 10
	// mostBehind is how much of what has been printed before is passed on, if that is bounded.
	mostBehind = 64 << 10
	// The intervals between looks at a stream that is silent.
	passFirst = 10 * time.Millisecond
	passMost  = 200 * time.Millisecond
)

// A Passing is where the output of a command goes.
type Passing struct {
	Out, Err io.Writer
	// Whole passes on all that has been printed before; otherwise the last 64 KiB of each stream.
	Whole bool
	// Missed is called with the number of bytes that are left out of a stream: by that bound, or
	// because they are not kept.
	Missed func(name record.StreamName, bytes int64)
	// Stuck, if not nil, is called while the start of a task is waited for that does not start before the user has done
	// something, once for each reason. If it is nil, PassOn returns that error.
	Stuck func(why error)
	// Again, if not nil, is called when a try has ended and the queue is to try the task again, or already does.
	Again func(ended, next *record.Record)
}

// PassOn passes on the output of a run as it comes, byte by byte, until its command has ended, and returns
// the record. Of a run that has ended it passes on what is stored. It waits for the start of a task that
// waits in the queue, and goes on with its next try as long as there is one. The command does not know of it. The error is
// that of ctx, or of a writer, or of reading.
func (q *Service) PassOn(ctx context.Context, v Version, to Passing) (*record.Record, error) {
	for {
		run, err := q.started(ctx, v, to.Stuck)
		if err != nil {
			return nil, err
		}
		rec, err := q.passRun(ctx, run, to)
		if err != nil {
			return nil, err
		}
		next, err := q.nextTry(ctx, rec)
		if err != nil || next.Record == nil {
			return rec, err
		}
		if to.Again != nil {
			to.Again(rec, next.Record)
		}
		v = next
	}
}

// nextTry waits until the queue has decided whether a task whose try has ended is tried again, and returns the next try; it
// has no record if there is none.
func (q *Service) nextTry(ctx context.Context, ended *record.Record) (next Version, err error) {
	for q.goesOn(ended) {
		rec, err := q.task(ended.UID)
		if err != nil {
			return Version{}, err
		}
		if d := rec.Data.Queue; d != nil && d.Try > ended.Data.Queue.Try {
			// The first one that follows, also if that has ended meanwhile.
			return q.ofTry(Version{Record: rec, service: q}, ended.Data.Queue.Try+1)
		}
		if err := sleep(ctx, waitRun); err != nil {
			return Version{}, err
		}
	}
	return Version{}, nil
}

// passRun is PassOn for one run that has started.
func (q *Service) passRun(ctx context.Context, v Version, to Passing) (*record.Record, error) {
	streams := []*passed{{name: record.Stdout, to: to.Out}, {name: record.Stderr, to: to.Err}}
	running := v.Record.Data.Status == record.Running
	for pause := passFirst; running; {
		moved := false
		for _, s := range streams {
			n, err := q.passPiece(v.Record, s, to)
			if errors.Is(err, record.ErrNotFound) {
				running = false
				break
			}
			if err != nil {
				return nil, err
			}
			moved = moved || n > 0
		}
		if pause = min(pause*3/2, passMost); moved {
			pause = passFirst
		}
		if !running || moved {
			continue
		}
		// A run that has ended may stay in the spool until it is committed.
		if rec, err := q.task(v.Record.UID); err == nil && rec.Data.Status != record.Running {
			running = false
			continue
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
	return q.passStored(ctx, v, streams, to)
}

// A passed is a stream of which the bytes before at have been passed on.
type passed struct {
	name  record.StreamName
	to    io.Writer
	at    int64
	begun bool
}

// passPiece passes on a piece of a stream of a run in the spool.
func (q *Service) passPiece(rec *record.Record, s *passed, to Passing) (n int, err error) {
	p, err := q.Spool.Follow(rec.UID, s.name, s.at, pieceSize)
	if err == nil && !s.begun && !to.Whole && p.Size > mostBehind {
		p, err = q.Spool.Follow(rec.UID, s.name, p.Size-mostBehind, pieceSize)
		begin := lineIn(p.Data)
		p.At, p.Data = p.At+int64(begin), p.Data[begin:]
	}
	// What was read is of this run only if it is still in the spool now.
	present, gone := q.Spool.Get(rec.UID, 0)
	if gone == nil && !record.SameRun(present, rec) {
		gone = record.ErrNotFound // it was run again meanwhile
	}
	if err = cmp.Or(gone, err); err != nil {
		return 0, err
	}
	s.begun = true
	to.missed(s.name, p.At-s.at)
	s.at = p.At + int64(len(p.Data))
	_, err = s.to.Write(p.Data)
	return len(p.Data), err
}

func (to Passing) missed(name record.StreamName, bytes int64) {
	if bytes > 0 && to.Missed != nil {
		to.Missed(name, bytes)
	}
}

// lineIn returns where the second line in a text begins, 0 if there is none.
func lineIn(b []byte) int { return bytes.IndexByte(b, '\n') + 1 }

// passStored passes on what is stored of a run behind what has been passed on.
func (q *Service) passStored(ctx context.Context, v Version, streams []*passed, to Passing) (*record.Record, error) {
	if v.Record.Data.Status == record.Running {
		ended, err := q.ended(ctx, v.Record)
		if err != nil {
			return nil, err
		}
		v = ended
	}
	for _, s := range streams {
		if err := v.passRest(s, to); err != nil {
			return nil, err
		}
	}
	return v.Record, nil
}

// ended returns a run that has ended from the history, also if its task has just been cleared.
func (q *Service) ended(ctx context.Context, run *record.Record) (Version, error) {
	v, err := sameRun(q.Runs(string(run.UID)), run)
	if !errors.Is(err, record.ErrNotFound) {
		return v, err
	}
	was, cerr := q.clearing(ctx, run.UID)
	if errors.Is(cerr, record.ErrNotFound) {
		return v, err
	}
	if cerr != nil {
		return v, cerr
	}
	store, err := q.Store()
	if err != nil {
		return v, err
	}
	last, err := store.Get(was.Before, run.UID)
	if err != nil {
		return v, err
	}
	if v, err = sameRun(q.runs(last, was.Before), run); err == nil {
		q.Warn("task %s has ended, and was cleared", run.UID)
	}
	return v, err
}

// sameRun returns the one of some runs that is a certain one.
func sameRun(runs iter.Seq2[Version, error], run *record.Record) (Version, error) {
	for v, err := range runs {
		if err != nil || record.SameRun(v.Record, run) {
			return v, err
		}
	}
	return Version{}, fmt.Errorf("task %s: the run that was followed: %w", run.UID, record.ErrNotFound)
}

// passRest passes on what is stored of a stream from an offset.
func (v Version) passRest(s *passed, to Passing) error {
	r, err := v.Stream(s.name)
	if err != nil {
		return err
	}
	defer r.Close()
	from, cut, bounded := s.at, record.Cut{}, false
	if _, stored := s.name.Of(v.Record); stored != nil {
		if stored.Cut != nil {
			cut = *stored.Cut
		}
		bounded = !s.begun && !to.Whole && stored.Size > mostBehind
		if bounded {
			from = stored.Size - mostBehind
		}
	}
	from, at := behind(from, cut)
	if _, err := io.CopyN(io.Discard, r, at); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	rest := bufio.NewReaderSize(r, mostBehind)
	if bounded {
		b, err := rest.Peek(mostBehind)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		begin, err := rest.Discard(lineIn(b))
		if err != nil {
			return err
		}
		from += int64(begin)
	}
	to.missed(s.name, from-s.at)
	if cut.Bytes > 0 && from < cut.Offset {
		if _, err := io.CopyN(s.to, rest, cut.Offset-from); err != nil {
			return err
		}
		to.missed(s.name, cut.Bytes)
	}
	_, err = io.Copy(s.to, rest)
	return err
}

// behind returns the first byte of a stream from an offset that is stored, and its offset in the
// stored file, where the bytes behind a cut follow those before it.
func behind(from int64, cut record.Cut) (first, at int64) {
	switch {
	case cut.Bytes == 0 || from < cut.Offset:
		return from, from
	case from < cut.Offset+cut.Bytes:
		return cut.Offset + cut.Bytes, cut.Offset
	}
	return from, from - cut.Bytes
}
