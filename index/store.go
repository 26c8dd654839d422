package index

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"qme/internal/regular"
)

// The index is a folder in the format of bleve (scorch), with a manifest of ours. It never
// changes once it has its name: a writer works on a copy, which has hard links to the
// segments that stay, and then puts it in the place of the one before. So readers need no
// lock and wait for none, and a writer that is killed leaves the last one whole.

// format changes with the fields of documents: an index of another one is made again.
const format = 28

const manifestName = "qme.json"

// A manifest says what the index holds. Its files are those of which it knows the size and
// the time of change: what a crash, or another program, has left otherwise is damaged.
type manifest struct {
	Format int    `json:"format"`
	Serial string `json:"serial"` // of this state: no two have the same
	Commit string `json:"commit"`
	Limit  int64  `json:"limit"` // of the streams
	// Gap says why tasks that were cleared may be missing, "" if none are.
	Gap   string     `json:"gap,omitempty"`
	Files []fileInfo `json:"files"`
}

type fileInfo struct {
	Name    string `json:"name"` // in the folder of the index, with slashes
	Size    int64  `json:"size"`
	Changed int64  `json:"changed"` // nanoseconds since 1970
}

// write adds a checksum, in a line of its own.
func (m *manifest) write(dir string) error {
	var err error
	if m.Files, err = listFiles(dir); err != nil {
		return err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	b = append(fmt.Appendf(nil, "%08x\n", crc32.ChecksumIEEE(b)), b...)
	return os.WriteFile(filepath.Join(dir, manifestName), b, 0o600)
}

// readManifest reads that of the index in a folder. The error wraps errUnusable where there
// is none, or of another format.
func readManifest(dir string) (*manifest, error) {
	b, err := regular.ReadHere(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, unusable(err)
	}
	sum, text, _ := strings.Cut(string(b), "\n")
	m := new(manifest)
	if sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) || json.Unmarshal([]byte(text), m) != nil || m.Format != format {
		return nil, errUnusable
	}
	return m, nil
}

// serialOf returns the state of the index in a folder, "" where there is none.
func serialOf(dir string) string {
	m, err := readManifest(dir)
	if err != nil {
		return ""
	}
	return m.Serial
}

// The files of bleve: a description of the fields, and a folder of segments with a list of them.
const (
	metaName  = "index_meta.json"
	storeName = "store"
)

// listFiles returns the files of bleve.
func listFiles(dir string) ([]fileInfo, error) {
	names := []string{metaName}
	entries, err := os.ReadDir(filepath.Join(dir, storeName))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		names = append(names, storeName+"/"+e.Name())
	}
	var list []fileInfo
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		list = append(list, fileInfo{name, info.Size(), info.ModTime().UnixNano()})
	}
	return list, nil
}

// path returns where the file is. A name that leads elsewhere is none of bleve's.
func (f fileInfo) path(dir string) string {
	if f.Name == metaName {
		return filepath.Join(dir, metaName)
	}
	return filepath.Join(dir, storeName, filepath.Base(f.Name))
}

// check compares the files with those that were written.
func (m *manifest) check(dir string) error {
	for _, f := range m.Files {
		st, err := os.Lstat(f.path(dir))
		if err != nil {
			return unusable(err)
		}
		if !st.Mode().IsRegular() || st.Size() != f.Size || st.ModTime().UnixNano() != f.Changed {
			return fmt.Errorf("%w: %s is not the file that was written", errUnusable, f.path(dir))
		}
	}
	return nil
}

// An opened is an open index.
type opened struct {
	manifest
	dir    string
	index  bleve.Index
	reader bleveindex.IndexReader
}

// open opens the index in a folder for reading. The error wraps errUnusable when there is
// none, or it is damaged or not of this limit.
func open(dir string, limit int64) (*opened, error) {
	for range 10 { // a writer may put another one in its place meanwhile
		m, err := readManifest(dir)
		if err != nil {
			return nil, err
		}
		if m.Limit != limit {
			return nil, errUnusable
		}
		o, err := m.open(dir)
		if err == nil {
			return o, nil
		}
		if now := serialOf(dir); now == "" || now == m.Serial {
			return nil, err
		}
	}
	return nil, errUnusable
}

// CommitOf returns the commit up to which the index in a folder holds the history, "" where there is none,
// or one that a search with this limit makes anew. It does not open the index.
func CommitOf(dir string, limit int64) string {
	m, err := readManifest(dir)
	if err != nil || m.Limit != limit || m.check(dir) != nil {
		return ""
	}
	return m.Commit
}

// quiet has the standard logger write nothing. Scorch tells it which states it could not load,
// between the lines of our output; whether that was the last one is found out here.
var quiet = sync.OnceFunc(func() { log.SetOutput(io.Discard) })

func (m *manifest) open(dir string) (*opened, error) {
	if err := m.check(dir); err != nil {
		return nil, err
	}
	quiet()
	o := &opened{manifest: *m, dir: dir}
	if err := guard(o.openBleve); err != nil {
		// Bleve does not wrap the errors of the system.
		return nil, errors.Join(unusable(cmp.Or(o.refusal(), err)), o.close())
	}
	return o, nil
}

func (o *opened) openBleve() error {
	index, err := openReadOnly(o.dir, o.Files)
	if err != nil {
		return err
	}
	o.index = index
	advanced, err := index.Advanced()
	if err != nil {
		return err
	}
	if o.reader, err = advanced.Reader(); err != nil {
		return err
	}
	serial, err := o.reader.GetInternal([]byte(serialKey))
	if err != nil || string(serial) == o.Serial {
		return err
	}
	return errUnusable
}

// stored reads what is stored of a run. It does not look for its id again, as bleve's Document
// does, in each segment.
func (o *opened) stored(h hit, streams bool) (*stored, error) {
	state, err := o.state()
	if err != nil {
		return nil, err
	}
	n := h.number
	for _, s := range state.Segments() {
		if n < s.Segment().Count() {
			return readStored(h.docID, streams, func(visitor segment.StoredFieldValueVisitor) error { return s.VisitDocument(n, visitor) })
		}
		n -= s.Segment().Count()
	}
	return nil, errDamaged
}

// state returns the segments of the open index.
func (o *opened) state() (*scorch.IndexSnapshot, error) {
	state, ok := o.reader.(*scorch.IndexSnapshot)
	if !ok {
		return nil, fmt.Errorf("the state of the index is a %T", o.reader)
	}
	return state, nil
}

// serialIn returns the serial of the state that bleve has.
func serialIn(index bleve.Index) (string, error) {
	b, err := index.GetInternal([]byte(serialKey))
	return string(b), err
}

// refusal returns why a file of the index cannot be opened, if that is so.
func (o *opened) refusal() error {
	for _, f := range o.Files {
		file, err := os.Open(f.path(o.dir))
		if err != nil {
			return err
		}
		defer file.Close()
	}
	return nil
}

func (o *opened) close() error {
	var err error
	if o.reader != nil {
		err = o.reader.Close()
	}
	if o.index != nil {
		err = errors.Join(err, o.index.Close())
	}
	return err
}

// guard makes an error of a panic, or of a page that cannot be read, such as damage
// leads to in code that trusts its files.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errUnusable, p)
		}
	}()
	return fn()
}

// replace puts the index in the folder made in the place of the one in dir, if there is one.
func replace(dir, made string) error {
	err := exchange(made, dir)
	switch {
	case err == nil:
		return os.RemoveAll(made)
	case errors.Is(err, fs.ErrNotExist):
		return os.Rename(made, dir)
	}
	// Without an exchange in one step there is no index for a moment; readers look again.
	old := made + ".old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}
