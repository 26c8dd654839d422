package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/record"
)

// rec makes the record of a task that has just started.
func rec(t *testing.T) *record.Record {
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	return &record.Record{Executor: "shell", UID: id, Command: "x", Data: record.Data{PWD: "/", Cmd: []string{"x"}, Status: record.Running, Timestamp: record.Now(), Output: []string{}, Error: []string{}, Run: 1}}
}

// without makes the spool's file system one without locks.
func without(s *Spool) *Spool {
	s.flock = func(afero.File, lockfile.Kind) error { return lockfile.ErrNone }
	return s
}

// of makes the spool that of another process.
func of(s *Spool, change func(o *owner)) *Spool {
	o := self()
	change(&o)
	s.me = func() owner { return o }
	return s
}

func gone(o *owner)         { o.Start = "0" }
func otherBoot(o *owner)    { o.Boot = "before" }
func otherHost(o *owner)    { o.Host, o.Boot = "elsewhere", "another" }
func otherSpace(o *owner)   { o.Space = "pid:[1]" }
func sameProcess(*owner)    {}
func unknownStart(o *owner) { o.Start = "" }

// left makes an entry that a process has left without a word.
func left(t *testing.T, dir string, change func(o *owner), status record.Status) record.ID {
	t.Helper()
	r := rec(t)
	r.Data.Status = status
	e, err := of(New(afero.NewOsFs(), dir), change).Begin(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	return r.UID
}

// shared has flock be free and the file system be one that several machines may have
// mounted: its files are of no known one.
type shared struct{ afero.Fs }

type sharedFile struct{ afero.File }

func (s shared) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := s.Fs.OpenFile(name, flag, perm)
	return sharedFile{f}, err
}

func (s shared) Open(name string) (afero.File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

// TestWhoIsDead has entries of all kinds of owners be looked at by the next process.
func TestWhoIsDead(t *testing.T) {
	t.Parallel()
	if self().Start == "" || self().Boot == "" {
		t.Fatalf("this system does not tell who a process is: %+v", self())
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	disk := onlyHere(f)
	for _, c := range []struct {
		name                  string
		owner                 func(o *owner)
		status                record.Status
		local, network, never bool // taken where the lock is free, on a disk and on a network; where there are no locks
	}{
		{"this process", sameProcess, record.Running, false, false, false},
		{"this process, ended", sameProcess, record.Complete, false, false, false},
		{"its number is another's", gone, record.Running, true, true, true},
		{"a process nobody knows", unknownStart, record.Running, true, true, false},
		{"before a restart", otherBoot, record.Running, true, true, true},
		{"another container", otherSpace, record.Running, true, true, false},
		{"another container, ended", otherSpace, record.Complete, true, true, true},
		{"another machine", otherHost, record.Running, true, false, false},
		{"another machine, ended", otherHost, record.Complete, true, true, true},
	} {
		for kind, taken := range map[string]bool{"local": c.local, "network": c.network, "none": c.never} {
			dir := t.TempDir()
			id := left(t, dir, c.owner, c.status)
			s := New(afero.NewOsFs(), dir)
			switch kind {
			case "local":
				if !disk { // nobody else may have these files mounted
					continue
				}
			case "network":
				s.fs = shared{s.fs}
			case "none":
				without(s)
			}
			is, err := s.Running(id)
			if c.status == record.Running && (is == taken || err != nil) {
				t.Errorf("%s, %s locks: Running returns %v, %v", c.name, kind, is, err)
			}
			entries, err := s.Take()
			if err != nil || len(entries) > 0 != taken {
				t.Errorf("%s, %s locks: %d entries are taken, %v", c.name, kind, len(entries), err)
			}
			_, notes, err := s.Check()
			if want := !taken && c.owner != nil && !strings.HasPrefix(c.name, "this process"); err != nil || len(notes) > 0 != want {
				t.Errorf("%s, %s locks: Check notes %q, %v", c.name, kind, notes, err)
			}
		}
	}
}

// TestWithoutLocks records a run where there are no locks, as its process and others
// see it.
func TestWithoutLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := without(New(afero.NewOsFs(), dir)), without(New(afero.NewOsFs(), dir))
	r := rec(t)
	e, err := s.Begin(r)
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	if entries, err := other.Take(); err != nil || len(entries) > 0 {
		t.Errorf("a run that goes on is taken: %d, %v", len(entries), err)
	}
	if _, err := other.Begin(r); !errors.Is(err, record.ErrConflict) {
		t.Errorf("Begin of a task that is running: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := other.Take(); err != nil || len(entries) != 1 {
		t.Errorf("an entry that its process has let go of: %d are taken, %v", len(entries), err)
	}
}

// TestTwoTakeOne has two processes take one entry, and a rerun begin before the second
// of them removes it.
func TestTwoTakeOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := left(t, dir, gone, record.Running)
	var entries []*Entry
	for range 2 {
		taken, err := without(New(afero.NewOsFs(), dir)).Take()
		if err != nil || len(taken) != 1 {
			t.Fatalf("%d entries, %v", len(taken), err)
		}
		entries = append(entries, taken[0])
	}
	if err := entries[0].Remove(); err != nil {
		t.Fatal(err)
	}
	r := rec(t)
	r.UID = id
	again, err := without(New(afero.NewOsFs(), dir)).Begin(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := entries[1].Salvage(100); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("the rerun is salvaged as %v, %v", got, err)
	}
	if err := entries[1].Remove(); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if err := again.Write(r); err != nil {
		t.Errorf("the entry of the rerun was removed: %v", err)
	}
}

// TestCheck names what lies in the spool and will not go by itself.
func TestCheck(t *testing.T) {
	t.Parallel()
	s := New(shared{afero.NewOsFs()}, t.TempDir())
	far := left(t, s.dir, otherHost, record.Running)
	unread := left(t, s.dir, otherHost, record.Running)
	mine := left(t, s.dir, sameProcess, record.Running)
	for path, text := range map[string]string{"notes.txt": "x", string(unread) + "/" + recordFile: "{"} {
		if err := os.WriteFile(filepath.Join(s.dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{lostDir, newPrefix + "1"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := s.Take(); err != nil || len(entries) > 0 {
		t.Errorf("%d are taken, %v", len(entries), err)
	}
	problems, notes, err := s.Check()
	all := errors.Join(problems...).Error()
	if err != nil || len(problems) != 2 || !strings.Contains(all, "notes.txt is not of the spool: move it") || !strings.Contains(all, string(unread)) {
		t.Errorf("problems: %v, %v", problems, err)
	}
	lock := filepath.Join(s.dir, string(far), lockFile)
	if len(notes) != 1 || !strings.Contains(notes[0], string(far)) || !strings.Contains(notes[0], `"elsewhere"`) || !strings.Contains(notes[0], "remove "+lock) {
		t.Errorf("notes: %q", notes)
	}
	// The way out is one.
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	var entries []*Entry
	for range 2 { // the first look makes the lock
		if entries, err = s.Take(); err != nil {
			t.Fatal(err)
		}
	}
	if len(entries) != 1 || entries[0].ID() != far {
		t.Errorf("%d entries are taken, want that without a lock and not %s", len(entries), mine)
	}
}

// skewed is a file system whose clock is behind.
type skewed struct{ afero.Fs }

type skewedInfo struct{ os.FileInfo }

func (i skewedInfo) ModTime() time.Time { return i.FileInfo.ModTime().Add(-time.Hour) }

type skewedFile struct{ afero.File }

func (f skewedFile) Stat() (os.FileInfo, error) {
	info, err := f.File.Stat()
	return skewedInfo{info}, err
}

func (s skewed) Stat(name string) (os.FileInfo, error) {
	info, err := s.Fs.Stat(name)
	return skewedInfo{info}, err
}

func (s skewed) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := s.Fs.OpenFile(name, flag, perm)
	return skewedFile{f}, err
}

// TestUnborn has entries be made while the server's clock is an hour behind, and others
// be left an hour ago.
func TestUnborn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lives := of(New(afero.NewOsFs(), dir), sameProcess).me()
	for name, o := range map[string]*owner{"young": nil, "old": nil, "dead": {PID: lives.PID, Boot: "before", Host: lives.Host}, "stopped": &lives} {
		path := filepath.Join(dir, newPrefix+name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if o != nil {
			f, err := os.Create(filepath.Join(path, lockFile))
			if err = errors.Join(err, o.write(f), f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if name != "young" {
			at := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, probePrefix+"1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := New(skewed{afero.NewOsFs()}, dir).Take(); err != nil {
			t.Fatal(err)
		}
	}
	for name, there := range map[string]bool{"young": true, "old": false, "dead": false, "stopped": true, "time-1": true} {
		if _, err := os.Stat(filepath.Join(dir, newPrefix+name)); (err == nil) != there {
			t.Errorf("%s: there %v, want %v", name, err == nil, there)
		}
	}
}

// TestSetAside ends entries whose record a power cut has emptied.
func TestSetAside(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "\x00\x00\x00"} {
		for _, output := range []string{"", "out"} {
			s := New(afero.NewOsFs(), t.TempDir())
			id := left(t, s.dir, otherBoot, record.Running)
			dir := filepath.Join(s.dir, string(id))
			err := errors.Join(os.WriteFile(filepath.Join(dir, recordFile), []byte(content), 0o600),
				os.WriteFile(filepath.Join(dir, "stdout"), []byte(output), 0o600))
			if err != nil {
				t.Fatal(err)
			}
			entries, err := s.Take()
			if err != nil || len(entries) != 1 {
				t.Fatalf("%d entries, %v", len(entries), err)
			}
			if _, err := entries[0].Salvage(10); !errors.Is(err, ErrEmpty) {
				t.Errorf("Salvage: %v, want ErrEmpty", err)
			}
			where, err := entries[0].SetAside()
			if err != nil || (where == "") != (output == "") {
				t.Errorf("SetAside returns %q, %v", where, err)
			}
			if want := filepath.Join(s.dir, lostDir, string(id)+".1"); output != "" && where != want {
				t.Errorf("SetAside returns %s, want %s", where, want)
			}
			if b, err := os.ReadFile(filepath.Join(where, "stdout")); output != "" && string(b) != output {
				t.Errorf("of the output is there %q, %v", b, err)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("the entry is there still")
			}
			if entries, err = s.Take(); err != nil || len(entries) > 0 {
				t.Errorf("%d entries, %v", len(entries), err)
			}
		}
	}
}
