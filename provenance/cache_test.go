package provenance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCache has hashes come back for the same state of a file, and for no other.
func TestCache(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "hashes")
	old := unix.NsecToTimespec(time.Now().Add(-time.Hour).UnixNano())
	s := &state{inode{1, 2}, 3, old, old, false}
	hash := strings.Repeat("0123456789abcdef", 4)
	c := openCache(name)
	if got := c.get(s, false); got != "" {
		t.Errorf("an empty cache has %q", got)
	}
	c.put(s, false, hash)
	c.close()
	c = openCache(name)
	defer c.close()
	if got := c.get(s, false); got != hash {
		t.Errorf("it has %q", got)
	}
	others := []state{*s, *s, *s, *s, *s}
	others[0].dev, others[1].ino, others[2].size, others[3].mtime.Nsec, others[4].ctime.Nsec = 9, 9, 9, old.Nsec^1, old.Nsec^1
	for i := range others {
		if got := c.get(&others[i], false); got != "" {
			t.Errorf("another state %d has %q", i, got)
		}
	}
	if got := c.get(s, true); got != "" {
		t.Errorf("a part has %q", got)
	}
	_, at := s.key(false)
	if _, err := c.f.WriteAt([]byte{7}, at+keySize); err != nil {
		t.Fatal(err)
	}
	if got := c.get(s, false); got != "" {
		t.Errorf("of a damaged slot it has %q", got)
	}
	now := unix.NsecToTimespec(time.Now().UnixNano())
	fresh := &state{inode{1, 2}, 3, old, now, false}
	if c.put(fresh, false, hash); c.get(fresh, false) != "" {
		t.Error("a file that was just changed is kept")
	}
	var none *cache
	if none.put(s, false, hash); none.get(s, false) != "" {
		t.Error("no cache has a hash")
	}
	none.close()
	for _, bad := range []string{"", filepath.Join(name, "x"), os.DevNull} {
		if c := openCache(bad); c != nil {
			t.Errorf("%q is a cache", bad)
		}
	}
}
