package gitformat_test

import (
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
)

const (
	one = "1111111111111111111111111111111111111111"
	two = "2222222222222222222222222222222222222222"
)

func TestTreeEntries(t *testing.T) {
	hash := plumbing.NewHash(one)
	whole := "100644 a b\x00" + string(hash[:]) + "40000 c\x00" + string(hash[:])
	var got []string
	b := []byte(whole)
	for len(b) > 0 {
		e, rest, ok := gitformat.NextTreeEntry(b)
		if !ok || e.Hash != hash {
			t.Fatalf("%q: %v %v", b, e, ok)
		}
		got, b = append(got, string(e.Mode)+"|"+string(e.Name)), rest
	}
	if want := []string{"100644|a b", "40000|c"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, bad := range []string{"", "100644 a", whole[:len("100644 a b")+20], " a\x00" + whole, "100644 \x00" + whole, "12345678901234567 a\x00" + whole, "100644\x00 a" + whole} {
		if e, _, ok := gitformat.NextTreeEntry([]byte(bad)); ok {
			t.Errorf("%q: %v", bad, e)
		}
	}
}

func TestParseCommit(t *testing.T) {
	const author = "author A <a@b> 1 +0000\n"
	c, err := gitformat.ParseCommit([]byte("tree " + one + "\nparent " + two + "\nparent " + one + "\n" + author +
		"committer C <c@d> 1600000000 +0100\ncommitter D <c@d> 5 +0100\n\ntree of words\n"))
	if err != nil || c.Tree.String() != one || len(c.Parents) != 2 || c.Parents[0].String() != two || c.When != 1600000000 {
		t.Errorf("%v %v", c, err)
	}
	if c, err := gitformat.ParseCommit([]byte("tree " + one + "\ncommitter C <c@d> soon\n\n")); err != nil || c.When != 0 {
		t.Errorf("a time that cannot be read: %v %v", c, err)
	}
	for _, bad := range []string{
		"", "tree " + one, author + "tree " + one + "\n", "tree " + one + "\nparent x\n",
		"tree " + one + "\n" + author + "parent " + two + "\n\n", "tree " + one + "\ntree " + two + "\n", "tree " + one + "\ncommitter C <c@d>\n",
	} {
		if c, err := gitformat.ParseCommit([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, c)
		}
	}
}

func TestPackedRef(t *testing.T) {
	text := "# pack-refs with: peeled fully-peeled sorted \n" + one + " refs/heads/main\n" + two + " refs/tags/v1\r\n^" + one + "\n" +
		"x refs/heads/odd\n " + two + " refs/heads/odd \nx refs/heads/bad\n"
	for name, want := range map[string]string{"refs/heads/main": one, "refs/tags/v1": two, "refs/heads/mai": "", "": "", "refs/heads/odd": two, "refs/heads/bad": "x"} {
		if got := gitformat.PackedRef([]byte(text), name); string(got) != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
