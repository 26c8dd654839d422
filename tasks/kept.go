package tasks

import (
	"archive/tar"
	"bytes"
	"cmp"
	"slices"

	"qme/internal/room"
	"qme/provenance"
	"qme/record"
)

// tarEnd is how much a tar has at most after its files.
const tarEnd = 10 << 10

// keepOutputs reads the outputs of the run that are to be kept, and notes of the others why not.
func (r *run) keepOutputs(files *record.Files) []provenance.Kept {
	set := r.q.Settings
	if set.KeepFiles <= 0 || files == nil || r.entry == nil {
		return nil
	}
	kept := r.files.Keep(files, provenance.Keeping{
		File: set.KeepFiles, Run: record.MaxPart - tarEnd, Wait: set.Hashes.Wait, Secret: r.mask.finds,
	})
	if len(kept) > 0 && !room.Spare(r.q.Spool.Dir()) {
		for _, k := range kept {
			files.Out[k.Number].NotKept = record.NotKeptDisk
		}
		return nil
	}
	return kept
}

// packKept returns the part with the outputs that are kept, by the names that the record has for
// them; nil for none.
func (r *run) packKept(files *record.Files, kept []provenance.Kept) []byte {
	if len(kept) == 0 {
		return nil
	}
	content, err := tarOf(files.Out, kept)
	if err != nil {
		r.q.Warn("the outputs of the run are not kept: %v", err)
		return nil
	}
	return content
}

// storeKept stores that part. The list of the files is stored before, so that a run that is cut off
// does not have the one without the other.
func (r *run) storeKept(content []byte) {
	if content == nil {
		return
	}
	if err := r.write(); err != nil {
		r.q.Warn("the files of the run are not in the spool yet: %v", err)
	}
	r.part(record.PartKept, content)
}

// tarOf returns a tar with files, which is the same bytes for the same files. Of several with one
// name, as masking makes it, it has none.
func tarOf(out []record.File, kept []provenance.Kept) ([]byte, error) {
	names := map[string]int{}
	for _, k := range kept {
		names[out[k.Number].Path]++
	}
	slices.SortFunc(kept, func(a, b provenance.Kept) int { return cmp.Compare(out[a.Number].Path, out[b.Number].Path) })
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	empty := true
	for _, k := range kept {
		f := &out[k.Number]
		if names[f.Path] > 1 {
			f.NotKept = record.NotKeptName
			continue
		}
		mode := int64(0o644)
		if k.Executable {
			mode = 0o755
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: mode, Size: int64(len(k.Content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(k.Content); err != nil {
			return nil, err
		}
		empty = false
	}
	if err := w.Close(); err != nil || empty {
		return nil, err
	}
	return b.Bytes(), nil
}
