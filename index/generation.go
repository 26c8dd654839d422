package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/uuid"

	"qme/record"
)

// The index is a folder of generations. Each is a folder of its own that never changes
// once it has its name: segments, each of them a table of grams and a file of texts, and a
// manifest that says which commit they hold and which of their tasks no longer count. A
// writer makes the next generation under another name, with hard links to the segments that
// stay, and renames it. So readers need no lock, and whoever is killed leaves the last
// generation whole.

// format changes with what is in a generation: an index of another one is made anew.
const format = 4

const (
	manifestName = "manifest"
	genPrefix    = "gen-"
	newPrefix    = "new-"
	gramsExt     = ".grams"
	textsExt     = ".texts"
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
	Name    string   `json:"name"` // of its files, without what tells them apart
	Grams   gramInfo `json:"grams"`
	Texts   textInfo `json:"texts"`
	Deleted []byte   `json:"deleted,omitempty"` // a roaring bitmap of rows
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
	segments []*openSegment
}

// An openSegment is a segment, and the rows in it that no longer count.
type openSegment struct {
	grams   *gramTable
	texts   *textFile
	file    *os.File // of the grams
	info    segmentInfo
	deleted *roaring.Bitmap
}

// Close closes both files.
func (s *openSegment) Close() error {
	var err error
	if s.file != nil {
		err = s.file.Close()
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
	b, err := os.ReadFile(filepath.Join(g.dir, manifestName))
	if err != nil {
		return nil, damageOr(err)
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, err
	}
	g.manifest = *m
	for _, info := range m.Segments {
		s, err := openSegmentFiles(filepath.Join(g.dir, filepath.Base(info.Name)), info)
		if err != nil {
			return nil, errors.Join(err, g.close())
		}
		g.segments = append(g.segments, s)
	}
	return g, nil
}

// openSegmentFiles opens a segment, whose files have a path without their endings.
func openSegmentFiles(path string, info segmentInfo) (s *openSegment, err error) {
	s = &openSegment{info: info, deleted: roaring.New()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if len(info.Deleted) > 0 {
		if err := s.deleted.UnmarshalBinary(info.Deleted); err != nil {
			return s, fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	if s.file, err = openSized(path+gramsExt, info.Grams.Size); err != nil {
		return s, err
	}
	if s.grams, err = openGrams(s.file, info.Grams); err != nil {
		return s, fmt.Errorf("%s%s: %w", path, gramsExt, err)
	}
	s.texts, err = openTexts(path+textsExt, info.Texts)
	return s, err
}

func (g *generation) close() error {
	var errs []error
	for _, s := range g.segments {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// candidates returns for each segment the blocks that may hold a task with all grams;
// without grams nil, which is each block.
func (g *generation) candidates(grams []string) (blocks []*roaring.Bitmap, err error) {
	blocks = make([]*roaring.Bitmap, len(g.segments))
	if len(grams) == 0 {
		return blocks, nil
	}
	for i, s := range g.segments {
		if blocks[i], err = s.withAll(grams); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// withAll returns the blocks of a segment that have all grams, at least one.
func (s *openSegment) withAll(grams []string) (*roaring.Bitmap, error) {
	var all *roaring.Bitmap
	for _, g := range grams {
		list, err := s.grams.blocks(newGram(g))
		if err != nil {
			return nil, err
		}
		some := roaring.BitmapOf(list...)
		if all == nil {
			all = some
		} else {
			all.And(some)
		}
		if all.IsEmpty() {
			break
		}
	}
	return all, nil
}

// without marks the rows of some tasks as no longer counting.
func (g *generation) without(ids []record.ID) error {
	return g.eachRow(slices.Values(ids), func(s *openSegment, i int) { s.deleted.Add(uint32(i)) })
}

// eachRow calls fn for where tasks are, whether they count there or not.
func (g *generation) eachRow(ids iter.Seq[record.ID], fn func(s *openSegment, i int)) error {
	for id := range ids {
		u, err := uuid.Parse(id.UUID())
		if err != nil {
			return err
		}
		for _, s := range g.segments {
			for i, err := range s.texts.rowsWith(u[:]) {
				if err != nil {
					return err
				}
				if r := s.texts.row(i); s.texts.id(&r) == id {
					fn(s, i)
				}
			}
		}
	}
	return nil
}

// summary counts the streams over the limit, but for some tasks, and lists the tasks that
// could not be read.
func (g *generation) summary(but map[record.ID]bool) (over int, unreadable []record.ID, err error) {
	for _, s := range g.segments {
		over += s.info.Texts.Over
		if s.info.Texts.Over > 0 {
			for i := range roaring.Values(s.deleted) {
				if err := s.texts.need(int(i), int(i)+1); err != nil {
					return 0, nil, err
				}
				r := s.texts.row(int(i))
				over -= r.over()
			}
		}
		for _, i := range s.info.Texts.Unreadable {
			if s.deleted.Contains(uint32(i)) {
				continue
			}
			if err := s.texts.need(i, i+1); err != nil {
				return 0, nil, err
			}
			r := s.texts.row(i)
			unreadable = append(unreadable, s.texts.id(&r))
		}
	}
	err = g.eachRow(maps.Keys(but), func(s *openSegment, i int) {
		if r := s.texts.row(i); !s.deleted.Contains(uint32(i)) {
			over -= r.over()
		}
	})
	return over, unreadable, err
}

// need reads the rows of some blocks, see candidates.
func (g *generation) need(blocks []*roaring.Bitmap) error {
	for i, s := range g.segments {
		if err := s.texts.needBlocks(blocks[i]); err != nil {
			return fmt.Errorf("%s: %w", s.texts.f.Name(), err)
		}
	}
	return nil
}

// live counts the tasks of a segment that count.
func (s *openSegment) live() int { return s.texts.len() - int(s.deleted.GetCardinality()) }
