package index

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDamageOr tells what the system refuses from what is damaged.
func TestDamageOr(t *testing.T) {
	t.Parallel()
	for _, no := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EACCES, unix.EPERM, unix.EIO} {
		err := damageOr(&os.PathError{Op: "open", Path: "x", Err: no})
		if errors.Is(err, errUnusable) || !errors.Is(err, no) {
			t.Errorf("%v is %v", no, err)
		}
		if s := withAdvice(err, "/home/index").Error(); !strings.Contains(s, "(") || !strings.HasPrefix(s, err.Error()) {
			t.Errorf("%v has no way out: %s", no, s)
		}
	}
	for _, damage := range []error{io.EOF, io.ErrUnexpectedEOF, fs.ErrNotExist, unix.ENOENT, unix.ESTALE, errDamaged} {
		if err := damageOr(damage); !errors.Is(err, errUnusable) {
			t.Errorf("%v is %v", damage, err)
		}
	}
}
