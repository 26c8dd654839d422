package capture

import (
	"os"

	"golang.org/x/sys/unix"

	"qme/internal/openfile"
	"qme/record"
)

// Terminals reports which of the streams of a command are terminals. A nil stream is not.
func Terminals(stdin, stdout, stderr *os.File) *record.Terminal {
	t := &record.Terminal{Streams: []string{}}
	for i, f := range []*os.File{stdin, stdout, stderr} {
		if isTerminal(descriptor(f)) {
			t.Streams = append(t.Streams, []string{"stdin", "stdout", "stderr"}[i])
		}
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
