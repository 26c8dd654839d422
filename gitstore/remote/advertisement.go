package remote

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"qme/internal/safe"
)

// advertisementLimit bounds an advertisement, in bytes: some 200,000 refs.
const advertisementLimit = 16 << 20

// An advertisement is the first message of a service: its refs and capabilities.
type advertisement struct {
	refs    map[string]plumbing.Hash
	shallow bool
	head    string            // the ref to which HEAD points; "" when the service does not say
	caps    map[string]string // capabilities by name; the value of those without one is ""
}

// readAdvertisement reads from r until the advertisement's end and no further.
func readAdvertisement(r *bufio.Reader) (*advertisement, error) {
	if err := spoken(r); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: r, N: advertisementLimit}
	lines := pktline.NewScanner(limited)
	ad := &advertisement{refs: map[string]plumbing.Hash{}, caps: map[string]string{}}
	for first := true; lines.Scan(); {
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		switch {
		case line == "":
			return ad, nil
		case first && line == "version 1":
		case first && strings.HasPrefix(line, "version "):
			return nil, fmt.Errorf("it speaks \"%s\" of the protocol, unasked", safe.Line(line))
		default:
			if err := ad.add(line, first); err != nil {
				return nil, err
			}
			first = false
		}
	}
	if limited.N <= 0 {
		return nil, errors.New("the list of refs does not end")
	}
	return nil, cutOff(lines)
}

// spoken returns an error that quotes text that is no packet, such as the greeting of a
// login shell.
func spoken(r *bufio.Reader) error {
	start, err := r.Peek(4)
	if err != nil {
		return err // with less than that, the reason is elsewhere
	}
	if _, err := strconv.ParseUint(string(start), 16, 16); err == nil {
		return nil
	}
	start, _ = r.Peek(min(r.Buffered(), 200))
	line, _, _ := strings.Cut(string(start), "\n")
	return &chatter{safe.Line(strings.TrimSpace(line))}
}

// chatter is text that comes before git's service begins.
type chatter struct{ line string }

// Error implements error.
func (c *chatter) Error() string { return fmt.Sprintf("it says \"%s\"", c.line) }

// errHashes says that a repository is of a kind that cannot be used.
var errHashes = errors.New("ours by SHA-1")

// add takes one line; the first has the capabilities.
func (ad *advertisement) add(line string, first bool) error {
	if first {
		var caps string
		line, caps, _ = strings.Cut(line, "\x00")
		if err := ad.capable(caps); err != nil {
			return err
		}
	}
	hex, name, ok := strings.Cut(line, " ")
	if !ok {
		return fmt.Errorf("\"%s\" is no ref", safe.Line(line))
	}
	if hex == "shallow" {
		ad.shallow = true // the history there is cut off
		return nil
	}
	if !plumbing.IsHash(hex) || len(hex) != len(plumbing.ZeroHash)*2 {
		return fmt.Errorf("\"%s\" is no object name", safe.Line(hex))
	}
	// HEAD is another name for a branch; ".have" names objects of repositories
	// that this one borrows from; "^{}" is the object of a tag.
	if !strings.HasPrefix(name, "refs/") || strings.HasSuffix(name, "^{}") {
		return nil
	}
	if strings.ContainsFunc(name, isControl) {
		return fmt.Errorf("\"%s\" is no name of a ref", safe.Line(name))
	}
	ad.refs[name] = plumbing.NewHash(hex)
	return nil
}

func (ad *advertisement) capable(caps string) error {
	for field := range strings.FieldsSeq(caps) {
		name, value, _ := strings.Cut(field, "=")
		if target, ok := strings.CutPrefix(value, "HEAD:"); ok && name == "symref" {
			ad.head = target
		}
		ad.caps[name] = value
	}
	if format := ad.caps["object-format"]; format != "" && format != "sha1" {
		return fmt.Errorf("its objects are named by \"%s\", %w", safe.Line(format), errHashes)
	}
	return nil
}

// has reports whether the service has a capability.
func (ad *advertisement) has(capability string) bool {
	_, ok := ad.caps[capability]
	return ok
}

// use returns those of the wanted capabilities that the service has, and whether its
// answer comes in a side band.
func (ad *advertisement) use(wanted ...string) (caps string, band bool) {
	var use []string
	for _, c := range []string{"side-band-64k", "side-band"} {
		if ad.has(c) {
			use, band = append(use, c), true
			break
		}
	}
	for _, c := range wanted {
		if ad.has(c) {
			use = append(use, c)
		}
	}
	if ad.has("agent") {
		use = append(use, "agent=qme")
	}
	return strings.Join(use, " "), band
}
