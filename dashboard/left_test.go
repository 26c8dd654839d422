package dashboard

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestKeysLeftByKilledProcesses makes a key beside what killed processes have left, and what
// others are making.
func TestKeysLeftByKilledProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for name, age := range map[string]time.Time{".dashboard.key-123": old, ".dashboard.key-456": time.Now(), ".dashboard.key-mine": old, ".dashboard.pem-123": old, "dashboard.key-1": old} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("key\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, age, age); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := SaveKey(dir, NewKey()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{".dashboard.key-123": false, ".dashboard.key-456": true, ".dashboard.key-mine": true, ".dashboard.pem-123": true, "dashboard.key-1": true, keyFile: true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}
