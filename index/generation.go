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
	"github.com/google/uuid"

	"qme/internal/ordered"
	"qme/internal/regular"
	"qme/record"
)

// The index is a folder of generations. Each is a folder of its own that never changes
// once it has its name: segments of bleve, each with a file of texts, and a manifest that
// says which commit they hold and which of their tasks no longer count. A writer makes the next generation under
// another name, with hard links to the segments that stay, and renames it. So readers
// need no lock, and whoever is killed leaves the last generation whole.

// format changes with what is in a generation: an index of another one is made anew.
const format = 7

const (
	manifestName = "manifest"
	genPrefix    = "gen-"
	newPrefix    = "new-"
	segmentExt   = ".zap"
)

// A manifest describes a generation.
type manifest struct {
	Format   int           `json:"format"`
	Commit   string        `json:"commit"`
	Limit    int64         `json:"limit"` // of the streams
	Segments []segmentInfo `json:"segments"`
}

// A segmentInfo describes a segment.
type segmentInfo struct {
	Name    string   `json:"name"`
	Size    int64    `json:"size"`
	CRC     uint32   `json:"crc"`               // CRC-32 (IEEE) of the file
	Texts   textInfo `json:"texts"`             // of the file beside it
	Deleted []byte   `json:"deleted,omitempty"` // a roaring bitmap of rows
}

// textsOf names the file of texts beside a segment.
func textsOf(segment string) string { return strings.TrimSuffix(segment, segmentExt) + ".texts" }

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
	segments []*openSegment
}

// An openSegment is a segment with its texts, and the rows in them that no longer count.
type openSegment struct {
	segment.Segment
	texts   *textFile
	info    segmentInfo
	deleted *roaring.Bitmap
}

// Close closes both files.
func (s *openSegment) Close() error {
	var err error
	if s.Segment != nil {
		err = s.Segment.Close()
	}
	if s.texts != nil {
		err = errors.Join(err, s.texts.f.Close())
	}
	return err
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
	b, err := regular.ReadHere(filepath.Join(g.dir, manifestName))
	if err != nil {
		return nil, unusable(err)
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, err
	}
	g.manifest = *m
	type result struct {
		s   *openSegment
		err error
	}
	open := func(info segmentInfo) result {
		s, err := openSegmentFile(filepath.Join(g.dir, filepath.Base(info.Name)), info)
		return result{s, err}
	}
	for r := range ordered.Map(slices.Values(m.Segments), readAhead, func() func(segmentInfo) result { return open }) {
		if r.s != nil {
			g.segments = append(g.segments, r.s)
		}
		err = errors.Join(err, r.err)
	}
	if err != nil {
		return nil, errors.Join(unusable(err), g.close())
	}
	return g, nil
}

// openSegmentFile opens a segment and compares it with its checksum.
func openSegmentFile(path string, info segmentInfo) (*openSegment, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() != info.Size {
		return nil, fmt.Errorf("%s has %d bytes, not %d", path, st.Size(), info.Size)
	}
	s := &openSegment{info: info, deleted: roaring.New()}
	if len(info.Deleted) > 0 {
		if err := s.deleted.UnmarshalBinary(info.Deleted); err != nil {
			return nil, err
		}
	}
	if s.texts, err = openTexts(textsOf(path), info.Texts); err != nil {
		return nil, err
	}
	err = guard(func() error {
		if s.Segment, err = plugin.Open(path); err != nil {
			return err
		}
		return s.verify()
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
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

func (s *openSegment) verify() error {
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

// candidates returns for each segment the blocks that may hold a task with all grams and,
// of each choice, with those of one of the alternatives; nil, which is each block, where
// there are neither.
func (g *generation) candidates(grams []string, choices [][][]string) (blocks []*roaring.Bitmap, err error) {
	blocks = make([]*roaring.Bitmap, len(g.segments))
	err = guard(func() error {
		for i, s := range g.segments {
			if blocks[i], err = candidates(s.Segment, grams, choices); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", errUnusable, err)
	}
	return blocks, err
}

func candidates(s segment.Segment, grams []string, choices [][][]string) (*roaring.Bitmap, error) {
	var blocks *roaring.Bitmap
	if len(grams) > 0 {
		var err error
		if blocks, err = withAll(s, grams); err != nil {
			return nil, err
		}
	}
	for _, choice := range choices {
		some := roaring.New()
		for _, alternative := range choice {
			found, err := withAll(s, alternative)
			if err != nil {
				return nil, err
			}
			some.Or(found)
		}
		if blocks == nil {
			blocks = some
		} else {
			blocks.And(some)
		}
	}
	return blocks, nil
}

// without marks the rows of some tasks as no longer counting.
func (g *generation) without(ids []record.ID) error {
	for _, id := range ids {
		u, err := uuid.Parse(id.UUID())
		if err != nil {
			return err
		}
		for _, s := range g.segments {
			for i := s.texts.find(u[:]); i < s.texts.len() && string(s.texts.uuid(i)) == string(u[:]); i++ {
				if r := s.texts.row(i); s.texts.id(&r) == id {
					s.deleted.Add(uint32(i))
				}
			}
		}
	}
	return nil
}

// summary counts the streams over the limit, and lists the tasks that could not be read.
func (g *generation) summary() (over int, unreadable []record.ID) {
	for _, s := range g.segments {
		for i := range s.texts.len() {
			flags := s.texts.flags(i)
			if flags < oneOver && flags&isUnreadable == 0 || s.deleted.Contains(uint32(i)) {
				continue
			}
			r := s.texts.row(i)
			over += r.over()
			if r.unreadable() {
				unreadable = append(unreadable, s.texts.id(&r))
			}
		}
	}
	return over, unreadable
}

// live counts the tasks of a segment that count.
func (s *openSegment) live() int { return s.texts.len() - int(s.deleted.GetCardinality()) }
