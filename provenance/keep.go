package provenance

import (
	"io"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/intime"
	"qme/internal/regular"
	"qme/record"
)

// Keeping says which outputs of a run are kept.
type Keeping struct {
	File, Run int64         // the most bytes of a file, and of all files with what a tar needs for each
	Wait      time.Duration // for all files to be read
	// Secret reports whether a file must not be kept for what is in it; nil: none.
	Secret func(content []byte) bool
}

// A Kept is an output with its content.
type Kept struct {
	Number     int // of the output in its list
	Executable bool
	Content    []byte
}

// Keep reads the outputs of a run, which End has listed, as they were then. Of those that are left
// out it sets NotKept in the list.
func (w *Watch) Keep(files *record.Files, k Keeping) []Kept {
	if w == nil || files == nil || len(files.Out) != len(w.outs) {
		return nil
	}
	var list []Kept
	deadline := time.Now().Add(k.Wait)
	for i, f := range w.outs {
		out := &files.Out[i]
		cost := tarSize(out)
		if out.NotKept = f.notKept(out, k); out.NotKept == "" && cost > k.Run {
			out.NotKept = record.NotKeptFull
		}
		if out.NotKept != "" {
			continue
		}
		kept, ok := intime.Within(time.Until(deadline), func() *Kept { return f.read() })
		switch {
		case !ok:
			out.NotKept = record.NotKeptLate
		case kept == nil:
			out.NotKept = record.NotKeptChanged
		case k.Secret != nil && k.Secret(kept.Content):
			out.NotKept = record.NotKeptSecret
		default:
			kept.Number = i
			list = append(list, *kept)
			k.Run -= cost
		}
	}
	return list
}

// tarSize returns at most how much a tar needs for a file: blocks of 512 bytes for its content, its
// header, and, where that has no room for its name, another header and what this describes.
func tarSize(f *record.File) int64 {
	const block = 512
	return (f.Size+2*block-1)/block*block + 4*block + 2*int64(len(f.Path))
}

// notKept returns why an output is not even read, "" if it may be.
func (f *file) notKept(out *record.File, k Keeping) string {
	switch {
	case out.By == record.ByStdio: // the record has it as output
		return record.NotKeptOutput
	case filepath.IsAbs(out.Path):
		return record.NotKeptOutside
	case strings.ContainsRune(out.Path, '\uFFFD'): // what the name was is not known any more
		return record.NotKeptName
	case f.after.absent:
		return record.NotKeptOffline
	case out.Size > k.File:
		return record.NotKeptLarge
	case secret(f.path):
		return record.NotKeptSecret
	}
	return ""
}

// read returns the content that the file had after the run, nil if it has changed or cannot be read.
func (f *file) read() *Kept {
	opened, err := regular.OpenIf(f.path, f.after.still)
	if err != nil {
		return nil
	}
	defer opened.Close()
	content := make([]byte, f.after.size)
	var st unix.Stat_t
	if _, err := io.ReadFull(opened, content); err != nil || !unchanged(opened, f.after) || unix.Fstat(int(opened.Fd()), &st) != nil {
		return nil
	}
	return &Kept{Executable: uint32(st.Mode)&0o111 != 0, Content: content}
}
