package remote

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

const fuzzOne = "1111111111111111111111111111111111111111"

func FuzzAdvertisement(f *testing.F) {
	f.Add([]byte("0000"))
	f.Add([]byte("003f" + fuzzOne + " refs/heads/main\x00a b=c0000"))
	f.Add([]byte("000eversion 1\n0035shallow " + fuzzOne + "0006sh0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ad, err := readAdvertisement(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		for name := range ad.refs {
			if !strings.HasPrefix(name, "refs/") || strings.ContainsFunc(name, isControl) {
				t.Errorf("a ref is called %q", name)
			}
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add([]byte("000eunpack ok\n0009ok r\n0000"))
	f.Add([]byte("000eunpack ok\n000dng r no\n0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rep, err := readReport(bytes.NewReader(b), "r")
		if err == nil && rep == (report{}) && !bytes.Contains(b, []byte("ok r")) {
			t.Errorf("%q counts as success", b)
		}
	})
}

func FuzzPack(f *testing.F) {
	f.Add([]byte("0008NAK\n0009\x01PACK0007\x02hi0000"), true)
	f.Add([]byte("0008NAK\nPACK"), false)
	f.Add([]byte("0007\x01000100"), true)
	f.Fuzz(func(t *testing.T, b []byte, band bool) {
		s := &FetchSession{session{remote: &Remote{out: newMessages(nil)}}}
		pack, err := s.acknowledged(&answer{Reader: bytes.NewReader(b)}, band)
		if err != nil {
			return
		}
		got, err := io.ReadAll(pack)
		if err == nil && band && !bytes.Contains(b, pktline.FlushPkt) {
			t.Errorf("%q was taken for a whole pack: %q", b, got)
		}
	})
}
