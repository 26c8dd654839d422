package software

import (
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"qme/internal/regular"
)

// What is read at most of one file, and of one folder.
const (
	largestFile = 1 << 20
	mostNames   = 100_000
)

// errNotRead says that a folder has more in it than is read, or a file not what it should have.
var errNotRead = errors.New("not read")

// readFile returns the content of a small regular file. Nothing else is opened: opening a FIFO would
// release its writer, and a file without blocks would come back from tape.
func readFile(path string) ([]byte, error) { return read(path, largestFile, false) }

// Beginning returns at most n bytes of the beginning of a regular file of any size. Nothing else is
// opened.
func Beginning(path string, n int64) ([]byte, error) { return read(path, n, true) }

func read(path string, n int64, cut bool) ([]byte, error) {
	f, err := regular.OpenIf(path, func(st *unix.Stat_t) bool {
		return uint32(st.Mode)&unix.S_IFMT == unix.S_IFREG && (cut || st.Size <= n) && (st.Blocks > 0 || st.Size == 0)
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	if !cut {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		b = b[:min(n, info.Size())]
	}
	got, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return b[:got], nil
}

// names returns the sorted names in a folder.
func names(dir string) ([]string, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Readdirnames(mostNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(list) == mostNames {
		return nil, errNotRead
	}
	slices.Sort(list)
	return list, nil
}

// isDir reports whether a path is a folder, or leads to one.
func isDir(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && uint32(st.Mode)&unix.S_IFMT == unix.S_IFDIR
}

// isFile reports whether a path is a regular file, or leads to one.
func isFile(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && uint32(st.Mode)&unix.S_IFMT == unix.S_IFREG
}

// readKernel returns at most n bytes of a file that the kernel makes, which has no size.
func readKernel(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, n))
}
