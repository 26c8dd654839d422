package odb

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"qme/record"
)

// takes receives a pack that may be anything: it is refused with nothing left, or it
// is whole.
func takes(t *testing.T, pack []byte) {
	t.Helper()
	db, fsys := memory()
	name, err := receive(db, pack, ReceiveOptions{MaxPack: 1 << 20, MaxObject: 1 << 20})
	if err != nil {
		if !errors.Is(err, record.ErrCorrupt) && !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%v wraps neither record.ErrCorrupt nor record.ErrInvalid", err)
		}
		if left := files(t, fsys, "/"); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
		return
	}
	if name == "" {
		return
	}
	if err := db.VerifyPack(context.Background(), name, nil); err != nil {
		t.Errorf("it is taken, and %v", err)
	}
	var objects []plumbing.Hash
	if err := db.Each(context.Background(), func(h plumbing.Hash) { objects = append(objects, h) }); err != nil {
		t.Error(err)
	}
	there, _ := memory()
	if _, err := receive(there, sent(t, db, objects), ReceiveOptions{}); err != nil {
		t.Errorf("it cannot be sent on: %v", err)
	}
}

// FuzzReceive receives damaged packs, with the checksum that they should have: what
// lies behind it has to be looked at too.
func FuzzReceive(f *testing.F) {
	pack, _ := tiny(f)
	seeds := [][]byte{pack, newSample(f).pack, newBuilder(f).bytes()}
	p := newBuilder(f)
	longChain(p, 20)
	for _, b := range append(seeds, p.bytes()) {
		b = b[:len(b)-hashLen]
		f.Add(b, true)
		f.Add(b[:len(b)/2], true)
		f.Add(b, false)
		for i := range 30 {
			bad := bytes.Clone(b)
			bad[i*len(bad)/30] ^= 1 << (i % 8)
			f.Add(bad, true)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = sealed(bytes.Clone(b))
		}
		takes(t, b)
	})
}

// FuzzReceiveEntries receives packs of well-deflated entries: of the bytes, each
// entry takes its kind, the distance of its base, and its content behind its length.
func FuzzReceiveEntries(f *testing.F) {
	f.Add([]byte("\x30\x05hello\x61\x09\x05\x0b\x90\x05\x06 world\x71\x09\x05\x0b\x90\x05\x06 there"))
	f.Add([]byte("\x20\x1c100644 x\x00abcdefghijklmnopqrst\x10\x05tree \x40\x04tag\n"))
	f.Add([]byte("\x71\x05\x0505\x01x\x30\x05hello"))
	f.Fuzz(func(t *testing.T, in []byte) {
		p := newBuilder(t)
		type made struct {
			off     int64
			content []byte
		}
		all := []made{{int64(len(p.b)), nil}}
		for len(in) > 1 && p.count < 200 {
			kind, back, n := plumbing.ObjectType(in[0]>>4&7), int(in[0]&15), min(int(in[1]), len(in)-2)
			content := in[2 : 2+n]
			in = in[2+n:]
			base := all[max(0, len(all)-back)%len(all)]
			off := p.entry(kind, content, min(base.off, int64(len(p.b))-1), blobHash(base.content))
			if kind == plumbing.OFSDeltaObject || kind == plumbing.REFDeltaObject {
				if out, err := patch(base.content, content, atMost(1<<16)); err == nil {
					content = out
				}
			}
			all = append(all, made{off, content})
		}
		takes(t, p.bytes())
	})
}

// FuzzPatch compares patch with what readers of packs use: it takes nothing that
// they do not.
func FuzzPatch(f *testing.F) {
	base := noise(1, 200)
	f.Add(base, []byte{0xc8, 0x01, 0x05, 5, 'h', 'e', 'l', 'l', 'o'})
	f.Add(base, []byte{0xc8, 0x01, 0x0a, 0x90, 0x0a})
	f.Add(base, []byte{0xc8, 0x01, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x80})
	f.Add(noise(1, 70_000), []byte{0xf0, 0xa2, 4, 0x80, 0x80, 4, 0x80})
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		out, err := patch(base, delta, atMost(1<<20))
		if err != nil {
			return
		}
		want, err := packfile.PatchDelta(base, delta)
		if err != nil || !bytes.Equal(out, want) {
			t.Errorf("patch makes %d bytes, PatchDelta %d, %v", len(out), len(want), err)
		}
	})
}

// atMost allows deltas to make so many bytes.
func atMost(limit int64) func(int64) error {
	return func(size int64) error {
		if size > limit {
			return ErrTooLarge
		}
		return nil
	}
}
