package aside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/tests/require"
)

// killVariable has this program check the files of a bench, and be killed at the step with that number.
const killVariable = "ASIDE_KILL"

func TestMain(m *testing.M) {
	if text := os.Getenv(killVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			panic(err)
		}
		checkAndDie(n)
		return
	}
	os.Exit(m.Run())
}

// task is that of these tests.
const task = "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a"

// checkAndDie does what a check does in the directory of the process, and is killed at a step.
func checkAndDie(at int) {
	n := 0
	step = func(string) {
		if n++; n == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	s, err := Begin(context.Background(), "home", task, benchFiles())
	if err == nil {
		step("command")
		err = command()
		step("commanded")
	}
	if err == nil {
		_, err = s.PutBack(fates)
	}
	if err != nil {
		panic(err)
	}
	fmt.Println("whole", n)
}

func benchFiles() []File {
	dir, err := filepath.Abs("work")
	if err != nil {
		panic(err)
	}
	list := []File{{Path: "gone"}}
	for _, f := range []File{{Path: "figure.png"}, {Path: "sub/table.csv"}, {Path: "same.txt"}, {Path: "log", Copy: true, Keep: 4}, {Path: "db", Copy: true, Keep: -1}, {Path: "untouched", Copy: true, Keep: -1}} {
		f.Path = filepath.Join(dir, f.Path)
		list = append(list, f)
	}
	list[0].Path = filepath.Join(dir, "gone")
	return list
}

// command changes what was set aside, as a command that is run again does.
func command() error {
	db, err := os.ReadFile("work/db")
	if err != nil {
		return err
	}
	log, err := os.ReadFile("work/log")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile("work/figure.png", []byte("another figure"), 0o600), os.RemoveAll("work/sub"),
		os.WriteFile("work/same.txt", []byte("same"), 0o644), os.WriteFile("work/gone", []byte("made"), 0o644),
		os.WriteFile("work/log", append(log, "more"...), 0o644), os.WriteFile("work/db", append(db, "row"...), 0o644))
}

// fates removes what is the same, and shows the others.
func fates(path string) Fate {
	state, err := StateOf(path)
	if err != nil {
		return Fate{}
	}
	if filepath.Base(path) == "same.txt" {
		return Fate{Do: Remove, Was: state}
	}
	return Fate{Do: Show, Was: state}
}

// A file as it has to be after a check.
type wanted struct {
	name, content string
	stat          unix.Stat_t
}

// lay makes the files of the user, and returns them.
func lay(t *testing.T) (files []wanted) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := errors.Join(os.MkdirAll("work/sub", 0o755), os.Mkdir("home", 0o700)); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"figure.png", "sub/table.csv", "same.txt", "log", "db", "untouched"} {
		path := filepath.Join("work", name)
		content := "content of " + name
		at := time.Date(2020, 1, 1, 0, 0, i, 123456789, time.UTC)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o644), os.Chmod(path, os.FileMode(0o640+i)), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
		if name == "figure.png" {
			if err := os.Link(path, "work/link.png"); err != nil {
				t.Fatal(err)
			}
		}
		files = append(files, wanted{name: path, content: content, stat: stat(t, path)})
	}
	return files
}

func stat(t *testing.T, path string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// compare compares the files with what they were: their bytes, inodes, modes, times and links.
func compare(t *testing.T, files []wanted) {
	t.Helper()
	for _, f := range files {
		b, err := os.ReadFile(f.name)
		if err != nil || string(b) != f.content {
			t.Errorf("%s is %q, %v", f.name, b, err)
			continue
		}
		now := stat(t, f.name)
		if now.Ino != f.stat.Ino || now.Mode != f.stat.Mode || modified(&now) != modified(&f.stat) || now.Nlink != f.stat.Nlink {
			t.Errorf("%s has another inode, mode, time or number of links: %+v, not %+v", f.name, now, f.stat)
		}
	}
}

// absent fails if a file is there that was not.
func absent(t *testing.T) {
	t.Helper()
	if _, err := os.Lstat("work/gone"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file is there that was not: %v", err)
	}
}

// idle fails if a home has a journal, or files that are set aside.
func idle(t *testing.T) {
	t.Helper()
	if tasks, err := Pending("home"); err != nil || len(tasks) > 0 {
		t.Errorf("files of %v are set aside: %v", tasks, err)
	}
	left, err := filepath.Glob("home/check/.*/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if names, err := filepath.Glob("work/.qme*"); err != nil || len(names) > 0 {
		t.Errorf("left are %v, %v", names, err)
	}
}

func TestPutBack(t *testing.T) {
	files := lay(t)
	s, err := Begin(context.Background(), "home", task, benchFiles())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat("work/figure.png"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the figure is not set aside: %v", err)
	}
	if b, err := os.ReadFile("work/log"); err != nil || string(b) != "cont" {
		t.Errorf("the beginning of the log is %q, %v", b, err)
	}
	if b, err := os.ReadFile(s.Path(benchFiles()[1].Path)); err != nil || string(b) != "content of figure.png" {
		t.Errorf("aside is %q, %v", b, err)
	}
	if err := command(); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(fates)
	if err != nil || rep.Back != 6 || len(rep.Stuck) > 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	compare(t, files)
	absent(t)
	idle(t)
	var shown []string
	for _, k := range rep.New {
		b, err := os.ReadFile(k.At)
		if err != nil || k.Changed {
			t.Errorf("%+v: %v", k, err)
		}
		shown = append(shown, filepath.Base(filepath.Dir(k.At))+"/"+filepath.Base(k.At)+" "+string(b))
	}
	want := []string{task + "/gone made", task + "/figure.png another figure", task + "/log contmore", task + "/db content of dbrow"}
	if !slices.Equal(shown, want) {
		t.Errorf("shown are %q, not %q", shown, want)
	}
	// The next one removes them.
	s, err = Begin(context.Background(), "home", task, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBack(fates); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join("home/check", task)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what an earlier check has left is there: %v", err)
	}
}

// TestKilledAnywhere kills a check at each of its steps, and puts back what it has set aside.
func TestKilledAnywhere(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		files := lay(t)
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), killVariable+"="+strconv.Itoa(at))
		out, err := cmd.CombinedOutput()
		if strings.HasPrefix(string(out), "whole") {
			if at < 20 {
				t.Errorf("there are only %d steps", at)
			}
			return
		}
		if state := cmd.ProcessState.Sys().(syscall.WaitStatus); !state.Signaled() {
			t.Fatalf("step %d: %v\n%s", at, err, out)
		}
		tasks, err := Pending("home")
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range tasks {
			s, err := Recover("home", one)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := s.PutBack(func(string) Fate { return Fate{} })
			if err != nil || len(rep.Stuck) > 0 {
				t.Errorf("step %d: %+v, %v", at, rep, err)
			}
			for _, k := range rep.New {
				if _, err := os.Stat(k.At); err != nil {
					t.Errorf("step %d: %s is not kept: %v", at, k.Path, err)
				}
			}
		}
		compare(t, files)
		if len(tasks) > 0 {
			idle(t)
		}
		if t.Failed() {
			t.Fatalf("step %d", at)
		}
	}
}

// begin sets one file of the bench aside.
func begin(t *testing.T, name string) (*Set, string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("work", name))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Begin(context.Background(), "home", task, []File{{Path: path}})
	if err != nil {
		t.Fatal(err)
	}
	return s, path
}

// TestReplacedMeanwhile has another process write the file between the look at it and its removal: both are
// there afterwards.
func TestReplacedMeanwhile(t *testing.T) {
	files := lay(t)
	s, path := begin(t, "figure.png")
	if err := os.WriteFile(path, []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	was, err := StateOf(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("theirs, longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(func(string) Fate { return Fate{Do: Remove, Was: was} })
	if err != nil || len(rep.New) != 1 || !rep.New[0].Changed {
		t.Fatalf("%+v, %v", rep, err)
	}
	if b, err := os.ReadFile(rep.New[0].At); err != nil || string(b) != "theirs, longer" {
		t.Errorf("theirs is %q, %v", b, err)
	}
	compare(t, files)
	if _, err := Begin(context.Background(), "home", task, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(rep.New[0].At); err != nil {
		t.Errorf("the next check removes theirs: %v", err)
	}
}

// TestStay keeps the new one, unless there is none.
func TestStay(t *testing.T) {
	files := lay(t)
	s, path := begin(t, "figure.png")
	if err := os.WriteFile(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	stay := func(string) Fate { return Fate{Do: Stay} }
	if rep, err := s.PutBack(stay); err != nil || rep.Back != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "new" {
		t.Errorf("it is %q, %v", b, err)
	}
	s, _ = begin(t, "same.txt")
	if rep, err := s.PutBack(stay); err != nil || rep.Back != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
	compare(t, files[1:])
	idle(t)
}

// TestFolderInItsPlace keeps a file whose name a folder has now.
func TestFolderInItsPlace(t *testing.T) {
	lay(t)
	s, path := begin(t, "figure.png")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(fates)
	if err == nil || len(rep.Stuck) != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if b, err := os.ReadFile(rep.Stuck[0].At); err != nil || string(b) != "content of figure.png" {
		t.Errorf("it is %q, %v", b, err)
	}
	idle(t)
}

// TestFolderGone makes the folder again.
func TestFolderGone(t *testing.T) {
	files := lay(t)
	s, _ := begin(t, "sub/table.csv")
	if err := os.RemoveAll("work/sub"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBack(fates); err != nil {
		t.Error(err)
	}
	compare(t, files)
}

// TestNoLinkIsFollowed puts nothing into a folder to which a link leads that has come meanwhile, and sets
// no link aside.
func TestNoLinkIsFollowed(t *testing.T) {
	lay(t)
	s, _ := begin(t, "sub/table.csv")
	if err := errors.Join(os.RemoveAll("work/sub"), os.Mkdir("elsewhere", 0o700), os.Symlink("../elsewhere", "work/sub")); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(fates)
	if err == nil || len(rep.Stuck) != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
	if names, err := os.ReadDir("elsewhere"); err != nil || len(names) > 0 {
		t.Errorf("elsewhere are %v, %v", names, err)
	}
	if err := errors.Join(os.Symlink("../elsewhere", "work/folder"), unix.Mkfifo("work/fifo", 0o600), os.Symlink("fifo", "work/pipe")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"folder", "fifo", "pipe", "."} {
		s, path := begin(t, name)
		if !errors.Is(s.Left[path], ErrLeft) {
			t.Errorf("%s is set aside", name)
		}
	}
}

// TestRefused leaves all files where they are if one cannot be set aside.
func TestRefused(t *testing.T) {
	if os.Geteuid() == 0 { // who may rename any file
		asNobody(t)
		return
	}
	files := lay(t)
	if err := os.Chmod("work/sub", 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod("work/sub", 0o700) })
	if s, err := Begin(context.Background(), "home", task, benchFiles()); err == nil || s != nil {
		t.Errorf("%v, %v", s, err)
	}
	compare(t, files)
	idle(t)
}

// asNobody runs the test in a process of a user without privileges.
func asNobody(t *testing.T) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The user may not enter the folder of the program, and need not with an open file of it.
	program, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }() // it was only executed
	cmd := exec.Command("/dev/fd/3", "-test.run=^"+t.Name()+"$")
	cmd.Dir, cmd.ExtraFiles = "/", []*os.File{program}
	cmd.Env = append(os.Environ(), "TMPDIR=/tmp") // another one may be closed to that user
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestTwoAtOnce refuses a second check of a task.
func TestTwoAtOnce(t *testing.T) {
	files := lay(t)
	s, _ := begin(t, "figure.png")
	if _, err := Begin(context.Background(), "home", task, benchFiles()[2:]); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second check begins: %v", err)
	}
	if _, err := s.PutBack(fates); err != nil {
		t.Error(err)
	}
	compare(t, files)
	idle(t)
}

// otherFileSystem returns a folder on another file system than that of temporary files.
func otherFileSystem(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "aside")
	if err != nil {
		require.Missing(t, "shm", err.Error())
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if stat(t, dir).Dev == stat(t, t.TempDir()).Dev {
		require.Missing(t, "shm", "/dev/shm is the file system of temporary files")
	}
	return dir
}

// TestLink sets links to files aside, through which a command would overwrite them, and puts them back.
func TestLink(t *testing.T) {
	files := lay(t)
	if err := errors.Join(os.Symlink("../figure.png", "work/sub/link"), os.Symlink("nothing", "work/dangling")); err != nil {
		t.Fatal(err)
	}
	link := stat(t, "work/sub/link")
	var list []File
	for _, name := range []string{"sub/link", "dangling"} {
		path, err := filepath.Abs(filepath.Join("work", name))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, File{Path: path, Copy: name == "sub/link", Keep: -1})
	}
	s, err := Begin(context.Background(), "home", task, list)
	if err != nil || len(s.Left) > 0 {
		t.Fatal(err, s.Left)
	}
	for _, path := range []string{"work/sub/link", s.Path(list[0].Path)} {
		if b, err := os.ReadFile(path); err != nil || string(b) != "content of figure.png" {
			t.Errorf("%s is %q, %v", path, b, err)
		}
	}
	for _, f := range list {
		if err := os.WriteFile(f.Path, []byte("new"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if rep, err := s.PutBack(fates); err != nil || rep.Back != 2 || len(rep.New) != 2 {
		t.Errorf("%+v, %v", rep, err)
	}
	if now := stat(t, "work/sub/link"); now.Ino != link.Ino || modified(&now) != modified(&link) {
		t.Errorf("the link is another one: %+v, not %+v", now, link)
	}
	if to, err := os.Readlink("work/dangling"); err != nil || to != "nothing" {
		t.Errorf("the other link leads to %q, %v", to, err)
	}
	compare(t, files)
	idle(t)
}

// TestOtherTask refuses to set a file aside that is set aside for another task: what is in its place is not
// it.
func TestOtherTask(t *testing.T) {
	files := lay(t)
	s, path := begin(t, "figure.png")
	if err := os.WriteFile(path, []byte("of the first one"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := []File{{Path: filepath.Join(filepath.Dir(path), "same.txt")}, {Path: path}}
	if _, err := Begin(context.Background(), "home", task[:len(task)-1]+"b", list); !errors.Is(err, ErrTaken) {
		t.Errorf("a check that makes the same file begins: %v", err)
	}
	if err := os.Remove("work/same.txt"); err != nil {
		t.Fatal(err)
	}
	if _, err := Begin(context.Background(), "home", task[:len(task)-1]+"b", list); !errors.Is(err, ErrTaken) {
		t.Errorf("a check that makes the same file, and another one, begins: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "of the first one" {
		t.Errorf("what the first one has made is %q, %v", b, err)
	}
	if _, err := s.PutBack(fates); err != nil {
		t.Error(err)
	}
	compare(t, slices.Delete(files, 2, 3))
	idle(t)
}

// TestCopyOfHoles copies a file of which the disk holds little, without more.
func TestCopyOfHoles(t *testing.T) {
	lay(t)
	const size = 4 << 40
	f, err := os.OpenFile("work/db", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		require.Missing(t, "sparse", "the file system has no such files: "+err.Error())
	}
	_, err = f.WriteAt([]byte("row"), 1<<40)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs("work/db")
	if err != nil {
		t.Fatal(err)
	}
	was := stat(t, path)
	s, err := Begin(context.Background(), "home", task, []File{{Path: path, Copy: true, Keep: -1}})
	if err != nil {
		t.Fatal(err)
	}
	f, err = os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]byte, 3)
	_, err = f.ReadAt(row, 1<<40)
	if err := errors.Join(err, f.Close()); err != nil || string(row) != "row" {
		t.Errorf("the copy has %q, %v", row, err)
	}
	if now := stat(t, path); now.Size != size || now.Blocks > was.Blocks+64 {
		t.Errorf("the copy has %d bytes in %d blocks, not %d", now.Size, now.Blocks, was.Blocks)
	}
	if _, err := s.PutBack(fates); err != nil {
		t.Error(err)
	}
	idle(t)
}

// TestFileForFolder ends a check whose command has made a file in the place of a folder.
func TestFileForFolder(t *testing.T) {
	lay(t)
	s, _ := begin(t, "sub/table.csv")
	if err := errors.Join(os.RemoveAll("work/sub"), os.WriteFile("work/sub", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(fates)
	if err == nil || len(rep.Stuck) != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	if b, err := os.ReadFile(rep.Stuck[0].At); err != nil || string(b) != "content of sub/table.csv" {
		t.Errorf("it is %q, %v", b, err)
	}
	idle(t)
}

// TestRemovedAside says which file is lost if something removes what is set aside.
func TestRemovedAside(t *testing.T) {
	files := lay(t)
	s, err := Begin(context.Background(), "home", task, benchFiles()[1:3])
	if err != nil {
		t.Fatal(err)
	}
	path := benchFiles()[1].Path
	if err := os.Remove(s.Path(path)); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(fates)
	if err == nil || !strings.Contains(err.Error(), path+" was set aside in ") || rep.Back != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
	compare(t, files[1:2])
	idle(t)
}

// TestJournalOfOthers moves nothing by a journal that names files elsewhere.
func TestJournalOfOthers(t *testing.T) {
	lay(t)
	begin(t, "figure.png")
	path := journalPath("home", task)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var whole journal
	if err := json.Unmarshal(b, &whole); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(j *journal){
		"place":  func(j *journal) { j.Files[0].Place = "../../../work/db" },
		"name":   func(j *journal) { j.Files[0].Name = []byte("../stolen") },
		"folder": func(j *journal) { j.Files[0].Dir = []byte("work") },
		"above":  func(j *journal) { j.Files[0].Above = []byte("/tmp/../etc") },
		"beside": func(j *journal) { j.Beside = beside + "/../work" },
	} {
		j := whole
		j.Files = slices.Clone(whole.Files)
		change(&j)
		b, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Recover("home", task); err == nil || !strings.Contains(err.Error(), "check/.aside/"+task) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Recover("home", task)
	if err != nil {
		t.Fatal(err)
	}
	if rep, err := s.PutBack(fates); err != nil || rep.Back != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestHomeIsLeft moves nothing of the home.
func TestHomeIsLeft(t *testing.T) {
	lay(t)
	if err := os.WriteFile("home/HEAD", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs("home/HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Begin(context.Background(), "home", task, []File{{Path: path}}); err != nil || !errors.Is(s.Left[path], ErrHome) {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestComeMeanwhile leaves a file that has come where there was none, and is not what the command has made.
func TestComeMeanwhile(t *testing.T) {
	lay(t)
	s, path := begin(t, "gone")
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(func(string) Fate { return Fate{Do: Remove, Was: State{Ino: 1}} })
	if b, rerr := os.ReadFile(path); err != nil || rerr != nil || string(b) != "theirs" || len(rep.New) > 0 {
		t.Errorf("theirs is %q, %v, %v, %+v", b, rerr, err, rep)
	}
	idle(t)
}

// TestOtherFileSystem sets files aside above their folder, which the command removes, if the home is elsewhere.
func TestOtherFileSystem(t *testing.T) {
	other := otherFileSystem(t)
	files := lay(t)
	if err := errors.Join(os.Remove("home"), os.Symlink(other, "home")); err != nil {
		t.Fatal(err)
	}
	list := benchFiles()[1:3]
	path := list[0].Path
	s, err := Begin(context.Background(), "home", task, list)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll("work"), os.Mkdir("work", 0o755), os.WriteFile(path, []byte("new"), 0o600)); err != nil {
		t.Fatal(err)
	}
	rep, err := s.PutBack(fates)
	if err != nil || len(rep.New) != 1 || !strings.HasPrefix(rep.New[0].At, other) {
		t.Errorf("%+v, %v", rep, err)
	}
	files[0].stat.Nlink-- // the command has removed the other name
	compare(t, files[:2])
	if left, err := filepath.Glob(".qme*"); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	idle(t)
}
