package odb

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zlib"
)

// What the deflater of small objects writes is a zlib stream of the object, whatever its size
// and content, in one piece or several.
func TestSmallDeflater(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, smallObject)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	text := bytes.Repeat([]byte("one line of a record\n"), smallObject/21+1)[:smallObject]
	var out bytes.Buffer
	d := smallDeflater{to: &out}
	for _, content := range [][]byte{nil, {0}, []byte("x"), []byte("tree of a minute"), text[:4000], text, noise[:100], noise} {
		out.Reset()
		d.content.Reset()
		for piece := range 2 {
			half := len(content) / 2
			if _, err := d.Write([][]byte{content[:half], content[half:]}[piece]); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := zlib.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) || out.Len() > 0 {
			t.Errorf("%d bytes came back as %d, %d bytes after them, %v", len(content), len(got), out.Len(), err)
		}
	}
}
