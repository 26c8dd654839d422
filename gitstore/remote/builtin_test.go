package remote_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"qme/gitstore/remote"
	"qme/tests/require"
)

// withoutSSH leaves git in PATH, and no ssh.
func withoutSSH(t *testing.T, home string) {
	t.Helper()
	for _, name := range []string{"git", "sh", "cat"} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		script(t, filepath.Join(home, "bin", name), "exec "+program+` "$@"`)
	}
	t.Setenv("PATH", filepath.Join(home, "bin"))
}

// install puts a file into ~/.ssh.
func install(t *testing.T, home, name, text string) {
	t.Helper()
	dir := filepath.Join(home, ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBuiltin(t *testing.T) {
	home := isolate(t)
	s := startSSHD(t)
	dir := newRepository(t, 1)
	url := "ssh://" + s.user + "@127.0.0.1:" + s.port + dir
	withoutSSH(t, home)
	clean(t)
	r := open(t, url, remote.Options{})

	wants(t, fetchError(t, r), remote.ErrHostKey, "not known", "known_hosts", "There is no program ssh here")
	install(t, home, "known_hosts", s.read(t, "known"))
	wants(t, fetchError(t, r), remote.ErrAccess, "key is known there")
	install(t, home, "id_ed25519", s.read(t, "wrong"))
	wants(t, fetchError(t, r), remote.ErrAccess)
	install(t, home, "id_ed25519", s.read(t, "key"))
	roundTrip(t, dir, url, remote.Options{})

	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("USER", me.Username)
	works(t, "ssh://127.0.0.1:"+s.port+dir, remote.Options{})
	wants(t, fetchError(t, open(t, url+".none", remote.Options{})), remote.ErrNotFound, ".git.none")
	wants(t, fetchError(t, open(t, "ssh://127.0.0.1:"+freePort(t)+"/x", remote.Options{})), remote.ErrOffline, "refused")
	install(t, home, "known_hosts", "[127.0.0.1]:"+s.port+" "+s.read(t, "wrong.pub"))
	wants(t, fetchError(t, r), remote.ErrHostKey, "ssh-keygen -R")
}

func TestBuiltinPassphrase(t *testing.T) {
	home := isolate(t)
	s := startSSHD(t)
	dir := newRepository(t, 1)
	socket := startAgent(t, home, s.path("key"))
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-N", "open sesame", "-f", s.path("key")).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %s", out)
	}
	install(t, home, "known_hosts", s.read(t, "known"))
	install(t, home, "id_ed25519", s.read(t, "key"))
	url := "ssh://" + s.user + "@127.0.0.1:" + s.port + dir
	withoutSSH(t, home)
	clean(t)
	var said safeBuffer
	wants(t, fetchError(t, open(t, url, remote.Options{Messages: &said})), remote.ErrAccess)
	if !strings.Contains(said.String(), "id_ed25519 is not used") {
		t.Errorf("messages: %q", said.String())
	}
	asked := 0
	ask := func(prompt string, secret bool) (string, error) {
		if asked++; !secret || !strings.Contains(prompt, "id_ed25519") {
			t.Errorf("asked %q, secret: %v", prompt, secret)
		}
		return "open sesame", nil
	}
	works(t, url, remote.Options{Ask: ask})
	// With an agent that has the key nobody is asked.
	t.Setenv("SSH_AUTH_SOCK", socket)
	works(t, url, remote.Options{Ask: ask})
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(home, "none"))
	wants(t, fetchError(t, open(t, url, remote.Options{Messages: &said})), remote.ErrAccess)
	if !strings.Contains(said.String(), "the agent cannot be reached") {
		t.Errorf("messages: %q", said.String())
	}
}

// startAgent runs an agent with a key and returns its socket.
func startAgent(t *testing.T, home, key string) string {
	t.Helper()
	require.Component(t, "ssh-agent", "ssh-add")
	socket := filepath.Join(home, "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 100)); err != nil { // it says so when it listens
		t.Fatal(err)
	}
	add := exec.Command("ssh-add", "-q", key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %s", out)
	}
	return socket
}

func TestBuiltinCancel(t *testing.T) {
	home := isolate(t)
	withoutSSH(t, home)
	install(t, home, "known_hosts", "")
	clean(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			_, _ = c.Read(make([]byte, 1)) // it says who it is; nobody answers
			cancel()
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	_, err = open(t, "ssh://me@"+l.Addr().String()+"/x", remote.Options{}).Fetch(ctx)
	wants(t, err, context.Canceled)
}
