package docs

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	inlineLink = regexp.MustCompile(`\]\(\s*<?([^\s<>)]*)>?(?:\s+"[^"]*")?\s*\)`)
	definition = regexp.MustCompile(`^ {0,3}\[[^\]]+\]:\s*<?([^\s<>]+)`)
	htmlLink   = regexp.MustCompile(`\b(?:href|src)="([^"]*)"`)
	codeSpan   = regexp.MustCompile("`+[^`]*`+")
	heading    = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*\s*$`)
	htmlAnchor = regexp.MustCompile(`\b(?:id|name)="([^"]*)"`)
	linkText   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

// brokenLinks follows the relative links of the Markdown file name, which lies
// in the tree under root, to files and to headings. It returns one error for
// each that leads nowhere, joined.
func brokenLinks(root, name string) error {
	lines, err := readFile(filepath.Join(root, name))
	if err != nil {
		return err
	}
	var broken []error
	for _, l := range lines {
		for _, target := range links(l) {
			if err := follow(root, name, target); err != nil {
				broken = append(broken, fmt.Errorf("%s:%d: link %q: %w", name, l.number, target, err))
			}
		}
	}
	return errors.Join(broken...)
}

// links returns the targets of the line's links; code holds none.
func links(l line) []string {
	if l.fence != nil {
		return nil
	}
	text := codeSpan.ReplaceAllString(l.text, "")
	var targets []string
	for _, pattern := range []*regexp.Regexp{inlineLink, definition, htmlLink} {
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

func follow(root, from, target string) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	if u.Scheme != "" || u.Host != "" {
		return nil
	}
	to := from
	if u.Path != "" {
		to = filepath.Join(filepath.Dir(from), filepath.FromSlash(u.Path))
	}
	if !filepath.IsLocal(to) || strings.HasPrefix(u.Path, "/") {
		return errors.New("it leads out of the project")
	}
	path := filepath.Join(root, to)
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if u.Fragment == "" || filepath.Ext(to) != ".md" {
		return nil
	}
	lines, err := readFile(path)
	if err != nil {
		return err
	}
	if !slices.Contains(anchors(lines), u.Fragment) {
		return fmt.Errorf("%s has no such heading", to)
	}
	return nil
}

// anchors returns the names by which a link reaches the headings of a file, as
// GitHub and GitLab make them, and those that HTML gives.
func anchors(lines []line) []string {
	var names []string
	seen := map[string]int{}
	for _, l := range lines {
		if l.fence != nil {
			continue
		}
		for _, m := range htmlAnchor.FindAllStringSubmatch(l.text, -1) {
			names = append(names, m[1])
		}
		m := heading.FindStringSubmatch(l.text)
		if m == nil {
			continue
		}
		s := slug(m[1])
		n := seen[s]
		seen[s]++
		if n > 0 {
			s = fmt.Sprintf("%s-%d", s, n)
		}
		names = append(names, s)
	}
	return names
}

func slug(heading string) string {
	text := linkText.ReplaceAllString(heading, "$1")
	text = notInSlug.ReplaceAllString(strings.ToLower(text), "")
	return strings.ReplaceAll(text, " ", "-")
}
