package remote

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"qme/internal/safe"
)

// What can be wrong with a remote; test with errors.Is. The text of an error that
// wraps one names the URL, without any secret, and says the way out.
var (
	// ErrURL says that a URL is not one that can be used.
	ErrURL = errors.New("not a usable URL")
	// ErrNotFound says that there is no such repository, or none that we may see.
	ErrNotFound = errors.New("no such repository")
	// ErrAccess says that the other side does not know us or does not let us.
	ErrAccess = errors.New("access denied")
	// ErrHostKey says that the host cannot prove its identity: its ssh key is unknown
	// or has changed, or its certificate is not one to trust.
	ErrHostKey = errors.New("the host is not proven to be the right one")
	// ErrOffline says that the host cannot be reached, or no more.
	ErrOffline = errors.New("cannot be reached")
	// ErrMoved says that the branch is not, or no longer, where a push expects it:
	// someone else was faster. Nothing was changed; fetch and try again.
	ErrMoved = errors.New("the branch has moved")
	// ErrDeclined says that the other side does not take a push, by a hook or a rule.
	ErrDeclined = errors.New("the push was declined")
	// ErrServer says that the other side has failed on its own account.
	ErrServer = errors.New("the other side has failed")
	// ErrProtocol says that the server does not speak git's protocol, or that the
	// connection ended in the middle of it.
	ErrProtocol = errors.New("no answer that git would give")
)

// A failure is an error with all that a person needs.
type failure struct {
	url   string
	kind  error  // one of the above
	said  string // the message of the server or of a program; untrusted
	hint  string // the way out
	cause error  // may be nil
}

// Error implements error.
func (f *failure) Error() string {
	var b strings.Builder
	if f.url != "" {
		b.WriteString(f.url + ": ")
	}
	b.WriteString(f.kind.Error())
	if said := tidy(f.said); strings.Contains(said, "\n") {
		b.WriteString(":\n  " + strings.ReplaceAll(said, "\n", "\n  "))
	} else if said != "" {
		b.WriteString(": " + said)
	}
	if f.hint != "" {
		b.WriteString("\n" + f.hint)
	}
	return b.String()
}

// Unwrap returns the sentinel and the cause.
func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// tidy makes a message harmless, drops empty lines, and bounds it.
func tidy(said string) string {
	var lines []string
	if len(said) > tailLimit {
		said = strings.ToValidUTF8(said[:tailLimit], "") + "..."
	}
	said = strings.ReplaceAll(said, "\x00", "") // git ends its reports with one
	for line := range strings.Lines(strings.ReplaceAll(said, "\r", "\n")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, safe.Line(line))
		}
	}
	return strings.Join(lines, "\n")
}

// fail is an error of the given kind about this remote.
func (r *Remote) fail(kind error, said, hint string) *failure {
	if hint == "" {
		hint = hints[kind]
	}
	if errors.Is(kind, ErrNotFound) && r.loc.scheme == "file" {
		hint = fmt.Sprintf("Check the path; \"git init --bare --object-format=sha1 %s\" makes a repository there.", quote(Shown(r.loc.path)))
	}
	return &failure{url: r.String(), kind: kind, said: said, hint: hint}
}

// because adds the cause to a failure.
func (f *failure) because(err error) *failure {
	f.cause = err
	return f
}

// hints are the ways out that hold wherever nothing better is known.
var hints = map[error]string{
	ErrNotFound: "Check the URL; where a repository is hidden from those who may not read it, check who you are there, too.",
	ErrAccess:   "Check who you are there and what you may do.",
	ErrOffline:  "Check the name and the network, then try again.",
	ErrMoved:    "Fetch what is new there and try again.",
	ErrDeclined: "Its owner can say what it takes.",
	ErrServer:   "Try again later; its owner can see what is wrong.",
	ErrProtocol: "Check that the URL is that of a git repository.",
}

// A serverError is an error that a service reports instead of its answer.
type serverError struct{ text string }

// Error implements error.
func (e *serverError) Error() string { return e.text }

// sshHost is the arguments of ssh for the host.
func (l *location) sshHost() string {
	host := safe.Line(l.host)
	if l.user != "" {
		host = safe.Line(l.user) + "@" + host
	}
	if l.port != "" {
		host = "-p " + l.port + " " + host
	}
	return host
}

// garbled is the error for bytes that could not be understood, or that ended too
// early, when nothing else is known.
func (r *Remote) garbled(err error) error {
	var known *failure
	if errors.As(err, &known) {
		return err
	}
	if text, ok := reported(err); ok {
		return r.said(text, ErrServer, "")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.fail(ErrProtocol, "the connection ended too early", "").because(err)
	}
	var said *chatter
	hint := ""
	switch {
	case errors.As(err, &said) && r.loc.scheme == "ssh":
		hint = fmt.Sprintf("Check the URL. If the login shell there prints this, let ~/.bashrc and its like print nothing where there is no terminal: \"ssh %s true\" must be silent.", r.loc.sshHost())
	case errors.Is(err, errHashes):
		hint = "Make the repository with \"git init --bare --object-format=sha1\"."
	}
	return r.fail(ErrProtocol, err.Error(), hint).because(err)
}

// reported returns the message of an error that the server reported.
func reported(err error) (string, bool) {
	var line *pktline.ErrorLine
	var server *serverError
	switch {
	case errors.As(err, &line):
		return line.Text, true
	case errors.As(err, &server):
		return server.text, true
	}
	return "", false
}

// said makes an error of a message of the server, or of a program that we run to reach
// it. The kind and the hint are for messages that are not known.
func (r *Remote) said(text string, kind error, hint string) error {
	if r.loc.scheme == "file" && strings.Contains(text, "bad config") {
		return r.badConfig(text, errors.New(text)) // it is read by a git of ours
	}
	if its, known := classify(text); known != nil {
		kind, hint = known, its
	}
	switch hint {
	case hostHint:
		hint = fmt.Sprintf(hint, r.loc.sshHost())
	case changedHint:
		hint = fmt.Sprintf(hint, r.loc.knownHost())
	case ownerHint:
		hint = fmt.Sprintf(hint, quote(Shown(r.loc.path)))
	}
	return r.fail(kind, text, hint)
}

const (
	hostHint    = "Connect once with \"ssh %s\" and compare the fingerprint that it shows with one that you know to be right."
	changedHint = "Somebody may be in between. If the key was changed on purpose, \"ssh-keygen -R '%s'\" forgets the old one."
	ownerHint   = "If you trust its owner: git config --global --add safe.directory %s"
	keyHint     = "Check that your key is known there: \"ssh -v\" to the host shows what is tried."
	commandHint = "Check GIT_SSH_COMMAND, GIT_SSH and the setting core.sshCommand of git's."
	noGitHint   = "Install git on the other side, or let it be in the PATH that ssh has there."
)

// signs are parts of known error messages of programs and services, in lower case. The
// first that occurs counts.
var signs = []struct {
	words string
	kind  error
	hint  string
}{
	{"remote host identification has changed", ErrHostKey, changedHint},
	{"host key verification failed", ErrHostKey, hostHint},
	{"host key is known for", ErrHostKey, hostHint},
	{"dubious ownership", ErrAccess, ownerHint},
	{"git-upload-pack: command not found", ErrProtocol, noGitHint},
	{"git-receive-pack: command not found", ErrProtocol, noGitHint},
	{"git-upload-pack: not found", ErrProtocol, noGitHint},
	{"git-receive-pack: not found", ErrProtocol, noGitHint},
	{"command not found: git-", ErrProtocol, noGitHint},
	{"unknown command: git-", ErrProtocol, noGitHint},
	{"does not appear to be a git repository", ErrNotFound, ""},
	{"not a git repository", ErrNotFound, ""},
	{"repository not found", ErrNotFound, ""},
	{"could not be found", ErrNotFound, ""},
	{"repository does not exist", ErrNotFound, ""},
	{"could not resolve hostname", ErrOffline, ""},
	{"connection refused", ErrOffline, ""},
	{"timed out", ErrOffline, ""},
	{"no route to host", ErrOffline, ""},
	{"network is unreachable", ErrOffline, ""},
	{"permission denied (", ErrAccess, keyHint}, // ssh's own, with the methods tried
	{"too many authentication failures", ErrAccess, keyHint},
	{"permission denied", ErrAccess, ""},
	{"insufficient permission", ErrAccess, ""},
	{"unable to create temporary object directory", ErrAccess, "Who we are there may not write to the repository."},
	{"read-only file system", ErrAccess, ""},
	{"access denied", ErrAccess, ""},
	{"permission to ", ErrAccess, ""},
	{"unauthorized", ErrAccess, ""},
	{"not authorized", ErrAccess, ""},
	{"forbidden", ErrAccess, ""},
	{"connection closed by", ErrOffline, ""},
	{"connection reset", ErrOffline, ""},
	{"stdio forwarding failed", ErrOffline, ""},
}

// classify returns the kind of failure that a text reports; nil when it is not known.
func classify(text string) (hint string, kind error) {
	lower := strings.ToLower(text)
	for _, s := range signs {
		if strings.Contains(lower, s.words) {
			return s.hint, s.kind
		}
	}
	return "", nil
}
