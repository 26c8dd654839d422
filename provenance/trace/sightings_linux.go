package trace

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sightings are what has been seen of the files. It is for several goroutines.
type sightings struct {
	moved    map[string]string // folders, by their new names, with the program that has moved them
	mu       sync.Mutex
	files    map[key]*sighting
	known    map[key]*sighting // by the name that a process used; nil for what is no regular file
	viewers  map[int]*viewer
	losses   Losses
	began    bool   // the command's own exec has been seen
	fleeting bool   // known and viewers are not kept
	next     uint64 // the number of the next call that goes on
	looking  map[uint64]struct{}
}

// A key is a path in a file system tree.
type key struct {
	path    string
	foreign bool
}

// A sighting is a file with all that has happened to it.
type sighting struct {
	read, wrote       bool
	executed          bool
	before            *State // when it was first read or written
	was               bool   // it was there before it was first written
	readBy, writtenBy string
	readAt            uint64 // the call that did it
	moved             bool   // it has another name now
}

// A viewer is a thread with what it sees.
type viewer struct {
	program string
	foreign bool
	at      time.Time
}

func newSightings() *sightings {
	return &sightings{files: map[key]*sighting{}, known: map[key]*sighting{}, viewers: map[int]*viewer{}, moved: map[string]string{}, looking: map[uint64]struct{}{}}
}

// viewing is how long what was read of a thread holds: its number may be that of another soon after.
const viewing = time.Second

// ownTree are the links of /proc for the file system tree of this process.
var ownTree = sync.OnceValue(func() [2]string {
	ns, _ := readlink("/proc/self/ns/mnt")
	root, _ := readlink("/proc/self/root")
	return [2]string{ns, root}
})

// viewer returns what is known of a thread.
func (s *sightings) viewer(tid int) *viewer {
	now := time.Now()
	s.mu.Lock()
	v := s.viewers[tid]
	s.mu.Unlock()
	if v != nil && now.Sub(v.at) < viewing {
		return v
	}
	v = &viewer{at: now}
	ns, err1 := readlink(proc(tid) + "ns/mnt")
	root, err2 := readlink(proc(tid) + "root")
	v.foreign = err1 == nil && err2 == nil && [2]string{ns, root} != ownTree()
	program, _ := readlink(proc(tid) + "exe") // of a process of another user it is not known
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began {
		v.program = program
	} // before, it is the stage
	if len(s.viewers) > mostViewers {
		clear(s.viewers)
	}
	if !s.fleeting {
		s.viewers[tid] = v
	}
	return v
}

// stopKeeping has nothing be kept any more of what paths and threads see: from the call on that waits,
// some of them may see another file system tree.
func (s *sightings) stopKeeping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleeting = true
	clear(s.viewers)
	clear(s.known)
}

const mostViewers = 4096

// before looks at what the call is going to change, while it waits.
func (s *sightings) before(u *use) {
	switch {
	case u.kind == unlinks:
		u.late = !s.settle()
	case u.viewer.foreign && u.reads():
		// Its tree may be gone with the process when the call has gone on.
		u.there = resolve(u.tid, key{u.path, true})
	case u.viewer.foreign:
	case u.kind == renames:
		u.late = !s.settle()
		var st unix.Stat_t
		u.folder = unix.Lstat(u.path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
		u.before = stateOf(u.name)
		if u.flags&exchange != 0 {
			u.other = stateOf(u.path)
		}
	case u.kind == links:
		u.before = stateOf(u.name)
	case u.kind == makesNode || u.writes():
		u.before = stateOf(u.path)
	}
}

// settle waits until what was seen of earlier calls has been looked at, since the file will have another
// name, or none. It does not wait long: a file server may not respond. Then it returns false.
func (s *sightings) settle() bool {
	s.mu.Lock()
	until := s.next
	s.mu.Unlock()
	for end := time.Now().Add(settling); ; time.Sleep(settling / 100) {
		s.mu.Lock()
		settled := true
		for at := range s.looking {
			settled = settled && at >= until
		}
		s.mu.Unlock()
		if settled || time.Now().After(end) {
			return settled
		}
	}
}

const settling = 20 * time.Millisecond

// begin says that a call goes on, which look will look at, and numbers it: a process makes no call
// before the one that it waits for has a number.
func (s *sightings) begin(u *use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.at = s.next
	s.next++
	s.looking[u.at] = struct{}{}
}

// end says that begin's call has been looked at.
func (s *sightings) end(u *use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.looking, u.at)
}

// look looks at the files of a call that goes on.
func (s *sightings) look(u use) {
	if u.late {
		s.lose(func(l *Losses) { l.Late++ })
	}
	switch {
	case u.failed:
		s.lose(func(l *Losses) { l.Unreadable++ })
	case u.kind == ring:
		s.lose(func(l *Losses) { l.Rings++ })
	case u.kind == handle:
		s.lose(func(l *Losses) { l.Handles++ })
	case u.kind == 0 || u.path == "" || ofKernel(u.path):
	case u.kind == renames:
		s.rename(u)
	case u.kind == links:
		s.link(u)
	case u.kind == symlinks || u.kind == unlinks:
		s.forget()
	case u.kind == makesNode:
		if kind := u.flags & unix.S_IFMT; kind == 0 || kind == unix.S_IFREG {
			s.write(u, u.path)
		}
	case u.flags&tmpfile == tmpfile && (u.kind == opens || u.kind == opensHow):
		// The file has no name yet.
	case u.writes():
		if u.reads() && u.before != nil {
			s.note(u, u.path, true)
		}
		s.write(u, u.path)
	default:
		f := s.note(u, u.path, false)
		if u.kind == executes {
			s.executed(u, f)
			s.inherit(u)
		}
	}
}

// isFirst reports whether no program has been executed yet.
func (s *sightings) isFirst() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.began
}

// inherit notes the files that the command has inherited.
func (s *sightings) inherit(u use) {
	u.there = nil // it is that of the program
	for _, o := range u.inherited {
		access := o.flags & unix.O_ACCMODE
		u.before = stateOf(o.path)
		if access != unix.O_WRONLY {
			s.note(u, o.path, access != unix.O_RDONLY)
		}
		if access != unix.O_RDONLY {
			s.write(u, o.path)
		}
	}
}

func (s *sightings) lose(count func(*Losses)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.losses)
}

// forget drops the names under which files are known, which may lead elsewhere now.
func (s *sightings) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
}

// executed has the thread looked at again, since it runs another program now, and notes the
// interpreters of scripts, which the kernel opens by itself.
func (s *sightings) executed(u use, f *sighting) {
	first := false
	s.mu.Lock()
	if f != nil {
		first, f.executed = !f.executed, true
	}
	delete(s.viewers, u.tid)
	s.began = true
	s.mu.Unlock()
	if !first || u.viewer.foreign || u.depth == mostInterpreters {
		return
	}
	if name := interpreter(u.path); name != "" {
		u.depth++
		u.path = name
		s.executed(u, s.note(u, name, false))
	}
}

// mostInterpreters is how many scripts may be those of each other, as far as the kernel goes.
const mostInterpreters = 5

// note notes that a file is read, and returns it; nil if it is none. changes says that the same call
// may write to it.
func (s *sightings) note(u use, name string, changes bool) *sighting {
	k := key{name, u.viewer.foreign}
	s.mu.Lock()
	f, known := s.known[k]
	s.mu.Unlock()
	if known && !changes {
		return f // it has been noted
	}
	there := u.there
	if there == nil {
		there = resolve(u.tid, k)
	}
	if !there.ok {
		return nil // the call fails
	}
	st := there.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if st == nil {
		s.remember(k, nil)
		return nil
	}
	if f = s.add(there.real); f == nil {
		return nil
	}
	s.remember(k, f)
	if f.read || f.changed(st) {
		return f
	}
	f.read, f.readBy, f.readAt = true, u.viewer.program, u.at
	if f.before = st; u.before != nil {
		f.before = u.before
	}
	return f
}

func (s *sightings) remember(k key, f *sighting) {
	if len(s.known) < MostFiles && !s.fleeting {
		s.known[k] = f
	}
}

// add returns the sighting of a path. The caller holds mu.
func (s *sightings) add(k key) *sighting {
	if k.foreign {
		s.losses.Foreign++
	}
	f := s.files[k]
	if f == nil {
		if len(s.files) >= MostFiles {
			s.losses.Full++
			return nil
		}
		f = &sighting{}
		s.files[k] = f
	}
	return f
}

// write notes that a file is written to, which may not be there yet.
func (s *sightings) write(u use, name string) {
	k := key{name, u.viewer.foreign}
	there := resolve(u.tid, k)
	if there.ok && there.state == nil {
		return // no regular file
	}
	real := there.real
	if !there.ok {
		var ok bool
		if real, ok = resolveParent(k); !ok {
			return // the call fails
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.add(real); f != nil {
		f.written(u, u.viewer.program)
	}
}

func (f *sighting) written(u use, program string) {
	if f.wrote {
		return
	}
	f.wrote, f.writtenBy = true, program
	f.had(u)
}

// had notes what a file was before it is first written. What was read of it by a later call, which was
// looked at sooner, was not that.
func (f *sighting) had(u use) {
	if f.read && f.readAt > u.at {
		f.read, f.readBy, f.before = false, "", nil
	}
	if f.was = u.before != nil; f.before == nil {
		f.before = u.before
	}
}

// changed reports whether a file in state st has been written to. An open for writing may have failed,
// or may not have been used.
func (f *sighting) changed(st *State) bool {
	return f.wrote && (f.before == nil || *st != *f.before)
}

// link notes a further name of a file.
func (s *sightings) link(u use) {
	s.forget()
	s.write(u, u.name)
	u.before = nil
	s.note(u, u.path, false)
}

const exchange = unix.RENAME_EXCHANGE

// rename notes that a file has, or a folder and all in it have, another name. Whether the call
// succeeds is seen at the end, by what is there.
func (s *sightings) rename(u use) {
	s.forget()
	from, ok1 := resolveParent(key{u.path, u.viewer.foreign})
	to, ok2 := resolveParent(key{u.name, u.viewer.foreign})
	if !ok1 || !ok2 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(u, from, to)
	if u.flags&exchange != 0 {
		u.before = u.other
		s.move(u, to, from)
	}
}

// move gives what is seen of from to its new name. The caller holds mu.
func (s *sightings) move(u use, from, to key) {
	if u.folder {
		if !from.foreign {
			s.moved[to.path] = u.viewer.program
		}
		for k, f := range maps.Clone(s.files) {
			if rest, ok := strings.CutPrefix(k.path, from.path+"/"); ok && k.foreign == from.foreign && f.wrote {
				s.give(u, f, key{to.path + "/" + rest, to.foreign})
			}
		}
		return
	}
	f := s.files[from]
	if f == nil {
		f = &sighting{}
	}
	s.give(u, f, to)
}

// give notes that a file has got a name.
func (s *sightings) give(u use, f *sighting, to key) {
	g := s.add(to)
	if g == nil || g == f {
		return
	}
	f.moved = true
	g.written(u, cmp.Or(f.writtenBy, u.viewer.program))
}

// result says what has happened in the end.
func (s *sightings) result() Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Result{Losses: s.losses}
	for k, f := range s.files {
		one := File{Path: k.path, Foreign: k.foreign, Executed: f.executed, ReadBy: f.readBy, WrittenBy: f.writtenBy}
		if f.read {
			one.Read, one.Before = true, f.before
		}
		if f.wrote {
			one.Written, one.After = f.outcome(k)
			if one.After == nil && !f.was && !f.moved && !k.foreign && !f.read {
				r.Temporary++
			}
		}
		if one.Read || one.Written {
			r.Files = append(r.Files, one)
		}
	}
	s.addMoved(&r)
	slices.SortFunc(r.Files, func(a, b File) int { return cmp.Or(strings.Compare(a.Path, b.Path), compareBool(a.Foreign, b.Foreign)) })
	return r
}

// addMoved adds the files that nobody has opened, in folders that were moved.
func (s *sightings) addMoved(r *Result) {
	left := mostMoved
	for _, folder := range slices.Sorted(maps.Keys(s.moved)) {
		err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			if left--; left < 0 {
				return errTooMany
			}
			k := key{path: name}
			if err != nil || !d.Type().IsRegular() || s.files[k] != nil {
				return nil // what is not there was moved on, or removed
			}
			if now := stateOf(name); now != nil {
				s.files[k] = &sighting{}
				r.Files = append(r.Files, File{Path: name, Written: true, After: now, WrittenBy: s.moved[folder]})
			}
			return nil
		})
		if err != nil {
			r.Losses.Full++
			return
		}
	}
}

// mostMoved is how many entries of moved folders are looked at.
const mostMoved = 20_000

var errTooMany = errors.New("there are too many")

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// outcome reports whether a file that was opened for writing has come or changed, and what it is now.
// What processes see elsewhere is believed.
func (f *sighting) outcome(k key) (bool, *State) {
	if k.foreign {
		return true, nil
	}
	now := stateOf(k.path)
	if now == nil {
		return false, nil
	}
	return f.before == nil || *now != *f.before, now
}

// ofKernel reports whether a path leads to files of the kernel and of devices.
func ofKernel(name string) bool {
	for _, folder := range []string{"/proc/", "/sys/", "/dev/"} {
		if strings.HasPrefix(name, folder) {
			return !strings.HasPrefix(name, "/dev/shm/")
		}
	}
	return !strings.HasPrefix(name, "/") // "pipe:[1]", "anon_inode:..."
}

// stateOf returns the state of a regular file, nil if there is none.
func stateOf(name string) *State {
	var st unix.Stat_t
	if unix.Stat(name, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	return stateFrom(&st)
}

func stateFrom(st *unix.Stat_t) *State {
	return &State{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim, st.Blocks == 0 && st.Size > 0}
}

// A resolved is what a path leads to.
type resolved struct {
	real  key
	state *State // nil for what is no regular file
	ok    bool   // something is there that the command may read
}

// resolve follows the links of a path.
func resolve(tid int, k key) *resolved {
	name := k.path
	if k.foreign {
		name = proc(tid) + "root" + k.path
	}
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &resolved{}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) != nil {
		return &resolved{}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return &resolved{k, nil, true}
	}
	if k.foreign {
		return &resolved{key{path.Clean(k.path), true}, stateFrom(&stat), true}
	}
	own := selfFD(fd)
	if unix.Faccessat(unix.AT_FDCWD, own, unix.R_OK, unix.AT_EACCESS) != nil && unix.Access(own, unix.X_OK) != nil {
		return &resolved{}
	}
	full, err := readlink(own)
	if err != nil || ofKernel(full) {
		return &resolved{k, nil, true}
	}
	return &resolved{key{path: full}, stateFrom(&stat), true}
}

// resolveParent follows the links of a path but for its last name, which may not be there.
func resolveParent(k key) (key, bool) {
	if k.foreign {
		return key{path.Clean(k.path), true}, true
	}
	folder, name := path.Split(k.path)
	if name == "" || name == "." || name == ".." {
		folder, name = k.path, ""
	}
	fd, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return key{}, false
	}
	defer unix.Close(fd)
	real, err := readlink(selfFD(fd))
	if err != nil {
		return key{}, false
	}
	return key{path: path.Join(real, name)}, true
}

func selfFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
