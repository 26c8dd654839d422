package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"log"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// assets are the page's files, as written.
//
//go:embed web
var assets embed.FS

//go:embed openapi.json
var openAPI []byte

// kinds are the types of files. The system's own table, which differs between machines, is not asked.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
}

// An asset is a file as it is sent.
type asset struct {
	tag, kind      string
	plain, gzipped []byte
}

// assetOf returns a file of the page. It is compressed once.
var assetOf = func() func(name string) (*asset, error) {
	var mu sync.Mutex
	known := map[string]*asset{}
	return func(name string) (*asset, error) {
		mu.Lock()
		defer mu.Unlock()
		if a, ok := known[name]; ok {
			return a, nil
		}
		b, err := fs.ReadFile(assets, path.Join("web", name))
		if err != nil {
			return nil, err
		}
		kind := kinds[path.Ext(name)]
		if kind == "" {
			kind = "application/octet-stream"
		}
		var z bytes.Buffer
		w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err == nil {
			_, err = w.Write(b)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return nil, err
		}
		known[name] = &asset{tagOf(b), kind, b, z.Bytes()}
		return known[name], nil
	}
}()

// tagOf names a content.
func tagOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

func (s *Server) getPage(w http.ResponseWriter, r *http.Request) error {
	return s.sendAsset(w, r, "index.html")
}

func (s *Server) getAsset(w http.ResponseWriter, r *http.Request) error {
	return s.sendAsset(w, r, r.PathValue("path"))
}

// sendAsset sends a file of the page. Browsers ask each time whether theirs is still the
// right one: it is another with each version of qme.
func (s *Server) sendAsset(w http.ResponseWriter, r *http.Request, name string) error {
	if !fs.ValidPath(name) {
		return notThere(r)
	}
	a, err := assetOf(name)
	if err != nil {
		return notThere(r)
	}
	if s.unchanged(w, r, a.tag) {
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Add("Vary", "Accept-Encoding")
	b := a.plain
	if takesGzip(r) && len(a.gzipped) < len(a.plain) {
		h.Set("Content-Encoding", "gzip")
		b = a.gzipped
	}
	w.WriteHeader(http.StatusOK)
	s.sent(w.Write(b))
	return nil
}

func (s *Server) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	if s.unchanged(w, r, tagOf(openAPI)) {
		return nil
	}
	return s.answerBytes(w, r, http.StatusOK, mime.FormatMediaType("application/json", nil), openAPI)
}

// quietLog is where net/http says what clients did wrong.
func quietLog(debug func(string, ...any)) *log.Logger {
	if debug == nil {
		return log.New(io.Discard, "", 0)
	}
	return log.New(logWriter(debug), "", 0)
}

type logWriter func(string, ...any)

// Write implements io.Writer.
func (l logWriter) Write(b []byte) (int, error) {
	l("%s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}
