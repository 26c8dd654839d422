package capture

import "io"

// A sink writes to w until that fails, and keeps the error. It ignores writes if w is
// nil. It must not be used concurrently.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) write(b []byte) {
	if s.w == nil || s.err != nil || len(b) == 0 {
		return
	}
	n, err := s.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	s.err = err
}
