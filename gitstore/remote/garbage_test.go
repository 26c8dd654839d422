package remote_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/remote"
)

// packets makes packet lines; "" is the flush packet.
func packets(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		if line == "" {
			b.WriteString("0000")
			continue
		}
		fmt.Fprintf(&b, "%04x%s", len(line)+4, line)
	}
	return b.String()
}

// says makes a remote of a service that says something and then reads to the end.
func says(t testing.TB, text string) *remote.Remote {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "says")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	program := script(t, filepath.Join(dir, "service"), "cat '"+file+"'; exec cat >/dev/null")
	t.Setenv("GIT_SSH_COMMAND", program)
	return open(t, "host:repository", remote.Options{Messages: io.Discard})
}

const one = "1111111111111111111111111111111111111111"

func TestAdvertisements(t *testing.T) {
	isolate(t)
	clean(t)
	good := map[string]string{
		"empty":                packets(""),
		"no refs":              packets(strings.Repeat("0", 40)+" capabilities^{}\x00report-status", ""),
		"version 1":            packets("version 1\n", one+" "+main+"\x00x\n", ""),
		"no capabilities":      packets(one+" "+main+"\n", ""),
		"other repositories":   packets(one+" .have\x00x\n", one+" "+main, ""),
		"shallow":              packets(one+" "+main+"\x00x\n", "shallow "+one+"\n", ""),
		"a leading space":      packets(one+" "+main+"\x00 x y=\n", ""),
		"a peeled tag, a HEAD": packets(one+" HEAD\x00symref=HEAD:"+main+"\n", one+" "+main+"\n", one+" refs/tags/a^{}\n", ""),
	}
	for name, text := range good {
		s, err := says(t, text).Fetch(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if refs := s.Refs(); len(refs) > 1 || len(refs) == 1 && refs[main].String() != one {
			t.Errorf("%s: refs %v", name, refs)
		}
		s.Close()
	}
	bad := map[string]string{
		"nothing":               "",
		"half a length":         "00",
		"cut":                   packets(one + " " + main + "\x00x\n"),
		"cut in a line":         packets(one+" "+main+"\x00x\n", "")[:30],
		"version 2":             packets("version 2\n", "agent=x\n", ""),
		"no space":              packets(one, ""),
		"no hash":               packets("hello "+main, ""),
		"long hash":             packets(one+"111111111111111111111111 "+main, ""),
		"control character":     packets(one+" refs/heads/\x1b[2J\x00x", ""),
		"SHA-256":               packets(one+" "+main+"\x00object-format=sha256", ""),
		"a short shallow":       packets(one+" "+main+"\x00x\n", "shallow "+one+"\n", "sh", ""),
		"a length of 3":         "0003",
		"a delimiter":           "0001",
		"a length out of range": "ffff" + strings.Repeat("x", 70000),
	}
	for name, text := range bad {
		s, err := says(t, text).Fetch(t.Context())
		if err == nil {
			s.Close()
			t.Errorf("%s: refs %v", name, s.Refs())
			continue
		}
		wants(t, err, remote.ErrProtocol, "host:repository")
		if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %q", name, err)
		}
	}
	wants(t, fetchError(t, says(t, packets("ERR\tno\n"))), remote.ErrProtocol)
	wants(t, fetchError(t, says(t, packets("ERR Repository not found.\n"))), remote.ErrNotFound)
}

func TestReports(t *testing.T) {
	isolate(t)
	clean(t)
	plain := packets(one+" "+main+"\x00report-status", "")
	banded := packets(one+" "+main+"\x00report-status side-band-64k", "")
	tests := []struct {
		name, text string
		want       error // nil for a push that has worked
		says       string
	}{
		{"ok", plain + packets("unpack ok\n", "ok "+main+"\n", ""), nil, ""},
		{"banded", banded + packets("\x01"+packets("unpack ok\n", "ok "+main+"\n", ""), ""), nil, ""},
		{"in pieces", banded + packets("\x02hi\r\n", "\x01"+packets("unpack ok\n")[:7], "\x01"+packets("unpack ok\n")[7:]+packets("ok "+main+"\n", ""), "\x02bye", ""), nil, ""},
		{"cut behind the report", banded + packets("\x01"+packets("unpack ok\n", "ok "+main+"\n", "")), nil, ""},
		{"no report", plain, remote.ErrProtocol, "not known whether the push has arrived"},
		{"cut", plain + packets("unpack ok\n", "ok "+main+"\n"), remote.ErrProtocol, "not known whether"},
		{"nothing on the ref", plain + packets("unpack ok\n", ""), remote.ErrProtocol, ""},
		{"another ref", plain + packets("unpack ok\n", "ok refs/heads/other\n", ""), remote.ErrProtocol, ""},
		{"garbage", plain + packets("hello\n", ""), remote.ErrProtocol, "hello"},
		{"fetch first", plain + packets("unpack ok\n", "ng "+main+" fetch first\n", ""), remote.ErrMoved, "fetch first"},
		{"non-fast-forward", plain + packets("unpack ok\n", "ng "+main+" non-fast-forward\n", ""), remote.ErrMoved, ""},
		{"protected", plain + packets("unpack ok\n", "ng "+main+" protected branch hook declined\n", ""), remote.ErrDeclined, "protected"},
		{"no reason", plain + packets("unpack ok\n", "ng "+main+"\n", ""), remote.ErrDeclined, "rejected"},
		{"not unpacked", plain + packets("unpack index-pack abnormal exit\n", "ng "+main+" unpacker error\n", ""), remote.ErrDeclined, "abnormal exit"},
		{"not unpacked, but ok", plain + packets("unpack bad\n", "ok "+main+"\n", ""), remote.ErrDeclined, "bad"},
		{"disk full", banded + packets("\x02error: No space left on device\n", "\x01"+packets("unpack unpacker error\n", "ng "+main+" unpacker error\n", ""), ""),
			remote.ErrServer, "No space left"},
		{"fatal", banded + packets("\x03fatal: \x1b[2Joops"), remote.ErrServer, `\x1b[2Joops`},
		{"unknown channel", banded + packets("\x07x"), remote.ErrProtocol, "channel 7"},
		{"no end", plain + strings.Repeat(packets("unpack ok\n"), 100_000), remote.ErrProtocol, "does not end"},
		{"no reports", packets(one+" "+main+"\x00x", ""), remote.ErrProtocol, "does not report"},
	}
	for _, tt := range tests {
		s, err := says(t, tt.text).Push(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = s.Update(t.Context(), main, plumbing.NewHash(one), plumbing.NewHash(strings.Repeat("2", 40)), func(w io.Writer) error {
			_, err := io.WriteString(w, "PACK")
			return err
		})
		s.Close()
		switch {
		case tt.want == nil && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != nil:
			t.Log(tt.name, ": ", err)
			wants(t, err, tt.want, tt.says, "host:repository")
		}
	}
}

// A pack without a side band ends with the connection.
func TestPackPlain(t *testing.T) {
	isolate(t)
	clean(t)
	s, err := says(t, packets(one+" "+main, "", "ACK "+one+"\n", "NAK\n")+"PACK and so on").Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pack, err := s.Pack(t.Context(), plumbing.NewHash(one), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pack.Close()
	if b, err := io.ReadAll(pack); err != nil || string(b) != "PACK and so on" {
		t.Errorf("%q, %v", b, err)
	}
}

// What the other side says is made lines of, marked as its, and harmless.
func TestMessages(t *testing.T) {
	isolate(t)
	text := packets(one+" "+main+"\x00side-band-64k", "", "NAK\n",
		"\x02Counting: 10% (long)\rCoun", "\x02ting: done\rx\n\n", "\x02\x1b]0;title\x07\u202etxt\xff\n", "\x02"+strings.Repeat("y", 5000), "\x01PACK", "\x02last", "")
	says(t, text)
	var said bytes.Buffer
	s, err := open(t, "host:repository", remote.Options{Messages: &said}).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pack, err := s.Pack(t.Context(), plumbing.NewHash(one), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, pack); err != nil {
		t.Fatal(err)
	}
	pack.Close()
	s.Close()
	want := "remote: Counting: 10% (long)\nremote: Counting: done\nremote: x\n" +
		`remote: \x1b]0;title\x07\u202etxt\xff` + "\nremote: " + strings.Repeat("y", 4096) + "\nremote: " + strings.Repeat("y", 904) + "last\n"
	if said.String() != want {
		t.Errorf("messages\n%q, want\n%q", said.String(), want)
	}
}
