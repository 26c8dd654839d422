package capture

import (
	"fmt"
	"os"

	"github.com/creack/pty"
)

// OpenTerminal returns a terminal of a size, which may be 0 as that of some is, and its other end, for a
// command that is to have one although its caller has none. Nothing reads what is written to it: use Spec.Quiet.
func OpenTerminal(columns, rows int) (master, slave *os.File, err error) {
	master, slave, err = pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	const most = 1 << 16 // of what the kernel can note
	size := &pty.Winsize{Cols: uint16(min(max(columns, 0), most-1)), Rows: uint16(min(max(rows, 0), most-1))}
	if err := pty.Setsize(master, size); err != nil {
		_, _ = master.Close(), slave.Close()
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	return master, slave, nil
}
