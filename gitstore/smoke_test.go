package gitstore

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/record"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir() + "/tasks.git"
	s, err := Open(afero.NewOsFs(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t0 := time.Now()
	var ids []record.ID
	for range 100 {
		id, _ := record.NewID("shell")
		ids = append(ids, id)
		rc := 0
		rec := &record.Record{Executor: "shell", UID: id, Command: "echo hi", Data: record.Data{Cmd: []string{"echo", "hi"}, Timestamp: record.Now(), Status: record.Complete, ReturnCode: &rc, Output: []string{"hi\n"}, Error: []string{}}}
		_, err := s.Commit(context.Background(), record.Change{Verb: "run", What: "echo hi", ID: id, Build: func(*record.Record, string) (*record.Record, error) { return rec, nil }})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Log("per commit", time.Since(t0)/100)
	fsck := func() {
		out, err := exec.Command("git", "-C", dir, "fsck", "--strict", "--full").CombinedOutput()
		t.Logf("fsck: %s %v", out, err)
		out, _ = exec.Command("sh", "-c", "ls "+dir+"/objects/pack/*.pack | wc -l; git -C "+dir+" log --oneline | wc -l; git -C "+dir+" count-objects -v").CombinedOutput()
		t.Logf("%s", out)
	}
	fsck()
	t0 = time.Now()
	rep, err := s.GC(context.Background(), false)
	t.Log(rep, err, time.Since(t0))
	fsck()
	sn, _ := s.Latest()
	n := 0
	for r := range sn.Records(record.Range{}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		n++
	}
	t.Log(n, ids[0], ids[99])
	crep, err := s.Check(context.Background(), func(e error) { t.Error(e) }, nil)
	t.Log(crep, err)
	lu, err := s.LastUpdated()
	t.Log(lu, err)
}
