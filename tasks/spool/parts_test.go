package spool_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore/storetest"
	"qme/record"
	"qme/tasks/spool"
)

// TestParts has the parts of a run outlive its process.
func TestParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rec := running(t)
	e := begin(t, spool.NewDead(afero.NewOsFs(), dir), rec)
	for _, content := range []string{"first", "second"} {
		if err := e.WritePart(record.PartPatch, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.WritePart(record.PartEnv, nil); err != nil {
		t.Fatal(err)
	}
	if err := e.WritePart(record.PartScript, make([]byte, record.MaxPart+1)); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("a part that is too long: %v", err)
	}
	if got, err := spool.New(afero.NewOsFs(), dir).Part(rec.UID, record.PartPatch); err != nil || string(got) != "second" {
		t.Errorf("while it runs: %q, %v", got, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	left := take(t, spool.New(afero.NewOsFs(), dir))
	if len(left) != 1 {
		t.Fatalf("%d entries are left", len(left))
	}
	if parts, err := left[0].Parts(); err != nil || len(parts) != 1 || string(parts[record.PartPatch]) != "second" {
		t.Errorf("parts afterwards: %q, %v", parts, err)
	}
	if err := left[0].Remove(); err != nil {
		t.Fatal(err)
	}
}

// TestPartsOnFullDisk has a part that cannot be written. The process has it all the same.
func TestPartsOnFullDisk(t *testing.T) {
	t.Parallel()
	fsys := storetest.New(afero.NewOsFs())
	e := begin(t, spool.New(fsys, t.TempDir()), running(t))
	content := strings.Repeat("content", 1000)
	for _, fault := range storetest.Kinds() {
		if fault.Crash {
			continue
		}
		fault.At = 2
		fsys.Arm(fault)
		if err := e.WritePart(record.PartEnv, []byte(content)); err == nil {
			t.Logf("%v: no error", fault)
		}
		fsys.Arm(storetest.Fault{})
		if parts, err := e.Parts(); err != nil || string(parts[record.PartEnv]) != content {
			t.Errorf("%v: %q, %v", fault, parts[record.PartEnv], err)
		}
	}
}
