package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	zap "github.com/blevesearch/zapx/v16"

	"qme/record"
)

// The index is a folder of generations. Each is a folder of its own that never changes
// once it has its name: segments of bleve, and a manifest that says which commit they hold
// and which of their documents no longer count. A writer makes the next generation under
// another name, with hard links to the segments that stay, and renames it. So readers
// need no lock, and whoever is killed leaves the last generation whole.

// format changes with what is in a generation: an index of another one is made anew.
const format = 1

const (
	manifestName = "manifest"
	genPrefix    = "gen-"
	newPrefix    = "new-"
)

// errUnusable says that there is no index, or one that cannot be used.
var errUnusable = errors.New("no usable index")

// A manifest describes a generation.
type manifest struct {
	Format   int           `json:"format"`
	Commit   string        `json:"commit"`
	Limit    int64         `json:"limit"` // of the streams
	Segments []segmentInfo `json:"segments"`
}

// A segmentInfo describes a segment.
type segmentInfo struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	CRC     uint32 `json:"crc"` // CRC-32 (IEEE) of the file
	Docs    uint64 `json:"docs"`
	Deleted []byte `json:"deleted,omitempty"` // a roaring bitmap
}

// encode adds a checksum, in a line of its own.
func (m *manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "%08x\n", crc32.ChecksumIEEE(b)), b...), nil
}

func decodeManifest(b []byte) (*manifest, error) {
	sum, text, _ := strings.Cut(string(b), "\n")
	if sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) {
		return nil, errUnusable
	}
	m := new(manifest)
	if err := json.Unmarshal([]byte(text), m); err != nil || m.Format != format {
		return nil, errUnusable
	}
	return m, nil
}

// A generation is an open one.
type generation struct {
	manifest
	number   int
	dir      string
	segments []openSegment
}

// An openSegment is a segment with the documents in it that no longer count.
type openSegment struct {
	segment.Segment
	info    segmentInfo
	deleted *roaring.Bitmap
}

// openNewest opens the newest generation in a folder. The error wraps errUnusable when
// there is none, or it is damaged or not of this limit.
func openNewest(dir string, limit int64) (*generation, error) {
	for range 10 { // a writer may remove it meanwhile, because there is a newer one
		number, err := newest(dir)
		if err != nil {
			return nil, err
		}
		g, err := openGeneration(dir, number)
		if err == nil && g.Limit == limit {
			return g, nil
		}
		if err == nil {
			return nil, errors.Join(errUnusable, g.close())
		}
		if now, nerr := newest(dir); nerr != nil || now == number {
			return nil, err
		}
	}
	return nil, errUnusable
}

// newest returns the number of the newest generation.
func newest(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errUnusable
	} else if err != nil {
		return 0, err
	}
	most := 0
	for _, e := range entries {
		if n, ok := generationNumber(e.Name()); ok {
			most = max(most, n)
		}
	}
	if most == 0 {
		return 0, errUnusable
	}
	return most, nil
}

func generationNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, genPrefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0
}

func generationPath(dir string, number int) string {
	return filepath.Join(dir, genPrefix+strconv.Itoa(number))
}

func openGeneration(dir string, number int) (*generation, error) {
	g := &generation{number: number, dir: generationPath(dir, number)}
	b, err := os.ReadFile(filepath.Join(g.dir, manifestName))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, err
	}
	g.manifest = *m
	for _, info := range m.Segments {
		s, err := openSegmentFile(filepath.Join(g.dir, filepath.Base(info.Name)), info)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", errUnusable, err), g.close())
		}
		g.segments = append(g.segments, s)
	}
	if err := g.verify(); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func openSegmentFile(path string, info segmentInfo) (s openSegment, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	if st.Size() != info.Size {
		return s, fmt.Errorf("%s has %d bytes, not %d", path, st.Size(), info.Size)
	}
	s = openSegment{info: info, deleted: roaring.New()}
	if len(info.Deleted) > 0 {
		if err := s.deleted.UnmarshalBinary(info.Deleted); err != nil {
			return s, err
		}
	}
	err = guard(func() error {
		s.Segment, err = plugin.Open(path)
		return err
	})
	return s, err
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

// verify compares the segments with their checksums, on all processors.
func (g *generation) verify() error {
	results := make(chan error, len(g.segments))
	for _, s := range g.segments {
		go func() { results <- guard(s.verify) }()
	}
	var err error
	for range g.segments {
		err = errors.Join(err, <-results)
	}
	return err
}

func (s openSegment) verify() error {
	file, ok := s.Segment.(*zap.Segment)
	if !ok {
		return fmt.Errorf("a segment is a %T", s.Segment)
	}
	if crc32.ChecksumIEEE(file.Data()) != s.info.CRC {
		return fmt.Errorf("%w: %s is damaged", errUnusable, file.Path())
	}
	return nil
}

func (g *generation) close() error {
	var errs []error
	for _, s := range g.segments {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// candidates returns the tasks that have all pieces somewhere in their text.
func (g *generation) candidates(pieces []string) (ids []record.ID, err error) {
	err = guard(func() error {
		for _, s := range g.segments {
			docs, err := s.withAll(pieces)
			if err != nil {
				return err
			}
			some, err := idsOf(s.Segment, docs)
			if err != nil {
				return err
			}
			ids = append(ids, some...)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", errUnusable, err)
	}
	return ids, err
}

// withAll returns the documents that have all pieces, and those that may have anything.
func (s openSegment) withAll(pieces []string) (*roaring.Bitmap, error) {
	any, err := withTerm(s.Segment, flagField, damaged)
	if err != nil {
		return nil, err
	}
	docs, err := s.withPieces(pieces)
	if err != nil {
		return nil, err
	}
	docs.Or(any)
	docs.AndNot(s.deleted)
	return docs, nil
}

func (s openSegment) withPieces(pieces []string) (*roaring.Bitmap, error) {
	var all *roaring.Bitmap
	for _, p := range pieces {
		with := withTerm
		if isShort(p) {
			with = withPiece
		}
		docs, err := with(s.Segment, gramField, p)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = docs
		} else {
			all.And(docs)
		}
		if all.IsEmpty() {
			return all, nil
		}
	}
	return all, nil
}

// countOver counts the streams over the limit of all tasks but some.
func (g *generation) countOver(but []record.ID) (n int, err error) {
	names := make([]string, len(but))
	for i, id := range but {
		names[i] = string(id)
	}
	err = guard(func() error {
		for _, s := range g.segments {
			not, err := s.DocNumbers(names)
			if err != nil {
				return err
			}
			not.Or(s.deleted)
			for _, term := range []string{oneOver, twoOver} {
				docs, err := withTerm(s.Segment, flagField, term)
				if err != nil {
					return err
				}
				docs.AndNot(not)
				n += int(docs.GetCardinality())
			}
		}
		return nil
	})
	return n, err
}

// live counts the documents of a segment that count.
func (s openSegment) live() uint64 { return s.info.Docs - s.deleted.GetCardinality() }

// removeOld removes what is older than the newest generation, and what writers that
// were killed have left. Only the writer whose turn it is may call it.
func removeOld(dir string) error {
	most, err := newest(dir)
	if err != nil && !errors.Is(err, errUnusable) {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		n, ok := generationNumber(e.Name())
		return (!ok || n >= most) && !strings.HasPrefix(e.Name(), newPrefix)
	})
	var errs []error
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}
