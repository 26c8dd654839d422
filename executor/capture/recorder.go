package capture

import "io"

// A recorder writes to w until that fails, and keeps the error. It is used by
// one goroutine at a time.
type recorder struct {
	w   io.Writer
	err error
}

func (r *recorder) write(b []byte) {
	if r.w == nil || r.err != nil || len(b) == 0 {
		return
	}
	n, err := r.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	r.err = err
}
