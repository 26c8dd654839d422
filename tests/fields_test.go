package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/record"
)

// TestEachFieldIsRecorded holds a usual run against the list of fields: one that nothing sets
// would be missing in all of them.
func TestEachFieldIsRecorded(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("-q", "run", "test", "-f", file)
	var r map[string]json.RawMessage
	var data map[string]json.RawMessage
	if err := json.Unmarshal([]byte(h.must("get", string(h.records()[0].UID))), &r); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(r["data"], &data); err != nil {
		t.Fatal(err)
	}
	// What a run has under conditions that this one does not meet.
	others := "check queue params group metrics origin parent declared parts stdout stderr signal git code env masked job terminal merged stdin previous"
	for _, f := range record.Fields {
		name, below := strings.CutPrefix(f.Key, "data.")
		object := r
		if below {
			object = data
		}
		if _, ok := object[name]; !ok && !strings.Contains(name, ".") && !strings.Contains(" "+others+" ", " "+name+" ") {
			t.Errorf("a run has no %s", f.Key)
		}
	}
}
