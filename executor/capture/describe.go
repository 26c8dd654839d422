package capture

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"qme/internal/openfile"
	"qme/record"
)

// Terminals reports which of the streams of a command are terminals, and the size and the kind of
// these. A nil stream is none.
func Terminals(stdin, stdout, stderr *os.File) *record.Terminal {
	t := &record.Terminal{Streams: []string{}}
	for i, f := range []*os.File{stdin, stdout, stderr} {
		fd := descriptor(f)
		if !isTerminal(fd) {
			continue
		}
		t.Streams = append(t.Streams, []string{"stdin", "stdout", "stderr"}[i])
		if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
			t.Columns, t.Rows = int(size.Col), int(size.Row)
		}
		t.Name = strings.ToValidUTF8(os.Getenv("TERM"), "\uFFFD")
	}
	return t
}

// Stdin describes the source of standard input without opening or reading it. nil is the
// null device.
func Stdin(f *os.File) *record.Stdin {
	if f == nil {
		return &record.Stdin{Kind: "null"}
	}
	fd := descriptor(f)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &record.Stdin{Kind: "closed"}
	}
	switch uint32(st.Mode) & unix.S_IFMT {
	case unix.S_IFREG:
		return &record.Stdin{Kind: "file", Path: openfile.Path(fd), Size: st.Size}
	case unix.S_IFIFO:
		return &record.Stdin{Kind: "pipe"}
	case unix.S_IFSOCK:
		return &record.Stdin{Kind: "socket"}
	case unix.S_IFCHR:
		var null unix.Stat_t
		switch {
		case isTerminal(fd):
			return &record.Stdin{Kind: "terminal"}
		case unix.Stat(os.DevNull, &null) == nil && null.Rdev == st.Rdev:
			return &record.Stdin{Kind: "null"}
		}
	}
	return &record.Stdin{Kind: "other"}
}
