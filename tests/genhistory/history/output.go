package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"qme/record"
)

const (
	inline      = 64 << 10 // the default of the setting run.inline
	largeShare  = 0.002    // of the runs: 10 to 60 KiB of output
	streamShare = 0.0005   // of the runs: output that is stored beside the record
)

// output makes what a run writes to standard output.
func output(s *shape, f *filler) []byte {
	switch x := f.r.Float64(); {
	case x < streamShare/2:
		return binaryOutput(f, 70<<10+f.r.IntN(130<<10))
	case x < streamShare:
		return text(s, f, 70<<10+f.r.IntN(130<<10))
	case x < streamShare+largeShare:
		return text(s, f, 10<<10+f.r.IntN(50<<10))
	}
	var b bytes.Buffer
	for i := range lineCount(s, f) {
		b.WriteString(f.expand(s.out[i%len(s.out)], i))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// lineCount draws a number of lines around the shape's usual one, 30 at most.
func lineCount(s *shape, f *filler) int {
	if len(s.out) == 0 || s.lines == 0 {
		return 0
	}
	return min(30, s.lines/2+f.r.IntN(s.lines+1))
}

// text makes at least n bytes of lines.
func text(s *shape, f *filler, n int) []byte {
	lines := s.out
	if len(lines) == 0 {
		lines = epochs
	}
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		b.WriteString(f.expand(lines[i%len(lines)], i))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// binaryOutput makes n bytes or a few more that are not text, such as a command
// writes that compresses to standard output.
func binaryOutput(f *filler, n int) []byte {
	b := []byte{0x1f, 0x8b, 8, 0}
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, f.r.Uint64())
	}
	return b
}

// errorOutput makes what a run writes to standard error: why it failed, and now
// and then a warning.
func errorOutput(s *shape, f *filler, rec *record.Record) []byte {
	switch {
	case *rec.Data.ReturnCode == 127:
		return []byte("sh: 1: " + strings.Fields(rec.Command)[0] + ": not found\n")
	case *rec.Data.ReturnCode != 0:
		return []byte(f.expand(s.err, 0))
	case f.r.Float64() < 0.05:
		return []byte(f.expand("/opt/lib/python3.11/site-packages/{word}/{word}.py:{nnn}: FutureWarning: '{word}' is deprecated\n", 0))
	}
	return nil
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
