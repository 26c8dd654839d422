package capture

import "golang.org/x/sys/unix"

// A terminal that is raw for one command does not show its previous settings. A second
// "qme run" on it (make -j2, two processes of a script) must give its command the
// settings of the user. So the first one stores the flags that rawTermios clears in two
// control characters that no system uses. The kernel keeps them, and programs pass them
// on unchanged.

// A flag is a flag that rawTermios clears.
type flag struct {
	of  func(*unix.Termios) *flagField
	bit flagField
}

var rawFlags = []flag{
	{iflag, unix.IGNBRK}, {iflag, unix.BRKINT}, {iflag, unix.PARMRK}, {iflag, unix.ISTRIP},
	{iflag, unix.INLCR}, {iflag, unix.IGNCR}, {iflag, unix.ICRNL}, {iflag, unix.IXON},
	{oflag, unix.OPOST},
	{lflag, unix.ECHO}, {lflag, unix.ECHONL}, {lflag, unix.ICANON}, {lflag, unix.ISIG}, {lflag, unix.IEXTEN},
}

func iflag(t *unix.Termios) *flagField { return &t.Iflag }
func oflag(t *unix.Termios) *flagField { return &t.Oflag }
func lflag(t *unix.Termios) *flagField { return &t.Lflag }

// markBit is set in each note; without a note the characters are zero.
const markBit = 1 << 15

// mark stores the previous settings of the terminal in raw.
func mark(raw, before *unix.Termios) {
	note := uint16(markBit)
	for i, f := range rawFlags {
		if *f.of(before)&f.bit != 0 {
			note |= 1 << i
		}
	}
	raw.Cc[noteAt[0]], raw.Cc[noteAt[1]] = byte(note>>8), byte(note)
}

// withoutNote returns the settings of a terminal before this program made it raw for
// another command; ok is false if it did not.
func withoutNote(now *unix.Termios) (before unix.Termios, ok bool) {
	note := uint16(now.Cc[noteAt[0]])<<8 | uint16(now.Cc[noteAt[1]])
	if note&markBit == 0 || *now != rawTermios(*now) {
		return *now, false
	}
	before = *now
	before.Cc[noteAt[0]], before.Cc[noteAt[1]] = 0, 0
	for i, f := range rawFlags {
		if note&(1<<i) != 0 {
			*f.of(&before) |= f.bit
		}
	}
	return before, true
}
