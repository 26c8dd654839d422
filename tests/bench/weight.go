package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
)

// weightGoal is what the page may weigh, compressed.
const weightGoal = 300_000

// named finds what a page, a module or a style sheet names of the server's files.
var named = regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"|(?:from|import)\s*\(?\s*'(\.[^']+)'|url\("?(/assets/[^")]+)"?\)`)

// weight returns how many bytes a browser is sent for the page and all that it ever loads, as
// they are sent, and how many files that is.
func (b *board) weight() (size int64, files int, err error) {
	known := map[string]bool{"/": true}
	for queue := []string{"/"}; len(queue) > 0; queue = queue[1:] {
		n, text, err := b.sent(queue[0])
		if err != nil {
			return 0, 0, err
		}
		size += n
		files++
		for _, m := range named.FindAllSubmatch(text, -1) {
			next := string(m[1]) + string(m[3])
			if len(m[2]) > 0 {
				next = path.Join(path.Dir(queue[0]), string(m[2]))
			}
			if !known[next] {
				known[next] = true
				queue = append(queue, next)
			}
		}
	}
	return size, files, nil
}

// sent asks for a file as a browser does. It returns how long the body is as it was sent, and what
// it says.
func (b *board) sent(path string) (n int64, text []byte, err error) {
	req, err := http.NewRequest("GET", "http://"+b.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
		return int64(len(body)), body, err
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	text, err = io.ReadAll(z)
	return int64(len(body)), text, err
}
