package flow_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"qme/internal/flow"
)

// drawn draws a graph, and returns the document, which must be valid, and how often each element is in it.
func drawn(t *testing.T, g flow.Graph) (string, map[string]int) {
	t.Helper()
	var b bytes.Buffer
	if err := flow.Draw(&b, g); err != nil {
		t.Fatal(err)
	}
	elements := map[string]int{}
	dec := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	dec.Strict = true
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return b.String(), elements
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, b.String())
		}
		if begin, ok := token.(xml.StartElement); ok {
			elements[begin.Name.Local]++
		}
	}
}

// TestHostileTexts has texts that are no XML, or more than fits, be harmless.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	bad := "</text><script>alert(1)</script>\"'&\x00\x1b[31m\xff\ufffe\u202e]]>" + strings.Repeat("x", 10_000)
	doc, elements := drawn(t, flow.Graph{Title: bad, Boxes: []flow.Box{{Head: bad, Foot: bad, Title: bad}}, Lines: []flow.Line{{Title: bad}}})
	if elements["script"] != 0 || elements["rect"] != 1 || elements["svg"] != 1 {
		t.Error(elements)
	}
	if strings.ContainsAny(doc, "\x00\x1b\u202e") {
		t.Errorf("%q", doc)
	}
	for _, text := range strings.Split(doc, "<text ")[1:] {
		if text, _, _ := strings.Cut(text, "</text>"); len(text) > 300 {
			t.Errorf("a text is not cut: %.400s", text)
		}
	}
}

// TestColumns places what comes from a box on its right, and its lines are dashed where they should be.
func TestColumns(t *testing.T) {
	t.Parallel()
	g := flow.Graph{Boxes: []flow.Box{{Head: "root", Root: true}, {Head: "run", Round: true}, {Head: "a"}, {Head: "b"}},
		Lines: []flow.Line{{From: 1, To: 0}, {From: 2, To: 1, Dashed: true}, {From: 3, To: 1}}, ToLast: true}
	doc, elements := drawn(t, g)
	if elements["rect"] != 4 || elements["path"] != 3+1 || strings.Count(doc, `class="dashed"`) != 1 {
		t.Errorf("%v: %s", elements, doc)
	}
	x := func(head string) (x, y int) {
		i := strings.Index(doc, ">"+head+"</text>")
		begin := strings.LastIndex(doc[:i], "<text ")
		if _, err := fmt.Sscanf(doc[begin:], `<text x="%d" y="%d"`, &x, &y); err != nil {
			t.Fatal(err)
		}
		return x, y
	}
	ax, ay := x("a")
	bx, by := x("b")
	runX, _ := x("run")
	rootX, _ := x("root")
	if ax != bx || ay == by || ax >= runX || runX >= rootX {
		t.Error(ax, bx, runX, rootX, ay, by)
	}
}

// TestAnyGraph draws graphs with circles, and with boxes without lines.
func TestAnyGraph(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var g flow.Graph
		n := rnd.IntN(30)
		for i := range n {
			g.Boxes = append(g.Boxes, flow.Box{Head: fmt.Sprint(i)})
		}
		for range rnd.IntN(60) * min(n, 1) {
			g.Lines = append(g.Lines, flow.Line{From: rnd.IntN(n), To: rnd.IntN(n)})
		}
		g.ToLast = rnd.IntN(2) == 0
		if _, elements := drawn(t, g); elements["rect"] != n || elements["path"] != len(g.Lines)+1 {
			t.Fatal(elements, n, len(g.Lines))
		}
	}
}
