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

// contentTypes are the types of files by extension. The system's table differs between machines.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
}

// An asset is a file of the page, ready to be sent.
type asset struct {
	tag, contentType string
	plain, gzipped   []byte
}

// assetOf returns a file of the page, which it compresses once. It may be called from several
// goroutines.
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
		contentType := contentTypes[path.Ext(name)]
		if contentType == "" {
			contentType = "application/octet-stream"
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
		known[name] = &asset{tagOf(b), contentType, b, z.Bytes()}
		return known[name], nil
	}
}()

// tagOf returns an entity tag for a content.
func tagOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

func getPage(w http.ResponseWriter, r *http.Request) error {
	return sendAsset(w, r, "index.html")
}

func getAsset(w http.ResponseWriter, r *http.Request) error {
	return sendAsset(w, r, r.PathValue("path"))
}

// sendAsset sends a file of the page. Browsers revalidate their copy each time, since it may be of
// another version of qme.
func sendAsset(w http.ResponseWriter, r *http.Request, name string) error {
	if !fs.ValidPath(name) {
		return noSuchPath(r)
	}
	a, err := assetOf(name)
	if err != nil {
		return noSuchPath(r)
	}
	if notModified(w, r, a.tag) {
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Add("Vary", "Accept-Encoding")
	b := a.plain
	if acceptsGzip(r) && len(a.gzipped) < len(a.plain) {
		h.Set("Content-Encoding", "gzip")
		b = a.gzipped
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b) // the client may be gone
	return nil
}

func getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	if notModified(w, r, tagOf(openAPI)) {
		return nil
	}
	return writeBytes(w, r, http.StatusOK, "application/json", openAPI)
}

// httpLog returns the log of net/http, which has the mistakes of clients. It is part of the debug log.
func httpLog(debug logFunc) *log.Logger {
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
