package dashboard

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// compressFrom is from how many bytes on an answer is compressed.
const compressFrom = 1400

// answer sends v as JSON.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.answerBytes(w, r, status, "application/json", append(b, '\n'))
}

func (s *Server) answerBytes(w http.ResponseWriter, r *http.Request, status int, kind string, b []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	h.Add("Vary", "Accept-Encoding")
	if len(b) < compressFrom || !takesGzip(r) {
		h.Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(status)
		s.sent(w.Write(b))
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	s.sent(z.Write(b))
	s.sent(0, z.Close())
	return nil
}

func takesGzip(r *http.Request) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		if name == "gzip" && strings.TrimSpace(q) != "q=0" {
			return true
		}
	}
	return false
}

// unchanged reports whether the client has the answer already, and says so. The tag is
// that of this URL, weak since the answer may be compressed.
func (s *Server) unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	strong := `"` + tag + `"`
	tag = "W/" + strong
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	for one := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if one = strings.TrimSpace(one); one == tag || one == strong || one == "*" {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}
