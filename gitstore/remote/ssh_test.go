package remote_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/gitstore/remote"
	"qme/tests/require"
)

// An sshd is a server of ssh on this machine.
type sshd struct {
	dir  string // keys and configuration
	port string
	user string
}

// startSSHD runs sshd. Who has the key in dir/key may log in.
func startSSHD(t *testing.T) *sshd {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	require.Component(t, "sshd", "ssh", "ssh-keygen")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{dir: t.TempDir(), user: me.Username, port: freePort(t)}
	for _, name := range []string{"host", "key", "wrong"} {
		s.keygen(t, name, "ed25519")
	}
	s.keygen(t, "unknown", "ecdsa") // a second key of the host, which clients do not know
	s.write(t, "authorized", s.read(t, "key.pub"))
	s.write(t, "known", "[127.0.0.1]:"+s.port+" "+s.read(t, "host.pub")+"alias "+s.read(t, "host.pub"))
	s.write(t, "sshd_config", fmt.Sprintf(`Port %s
ListenAddress 127.0.0.1
HostKey %[2]s/unknown
HostKey %[2]s/host
AuthorizedKeysFile %[2]s/authorized
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitUserEnvironment no
SetEnv HOME=%[3]s
`, s.port, s.dir, os.Getenv("HOME")))
	s.config(t, "key", "known", "")
	program, err := exec.LookPath("sshd") // it wants to be called by its whole path
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	var log safeBuffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd: %s", log.String())
		}
	})
	s.await(t, cmd, &log)
	return s
}

// await waits until the server listens.
func (s *sshd) await(t *testing.T, cmd *exec.Cmd, log *safeBuffer) {
	t.Helper()
	for {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			c.Close()
			return
		}
		if cmd.Process.Signal(noSignal) != nil || strings.Contains(log.String(), "Cannot bind") {
			t.Fatalf("sshd has ended: %s", log.String())
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s *sshd) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *sshd) keygen(t *testing.T, name, kind string) {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", s.path(name)).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %s", out)
	}
}

// config writes the configuration for the client.
func (s *sshd) config(t *testing.T, key, known, more string) {
	t.Helper()
	s.write(t, "config", fmt.Sprintf(`Host alias
  HostName 127.0.0.1
  HostKeyAlias alias
  Port %s
  User %s
Host *
  IdentityFile %s
  IdentitiesOnly yes
  UserKnownHostsFile %s
  GlobalKnownHostsFile none
  %s
`, s.port, s.user, s.path(key), s.path(known), more))
}

// command is ssh with the configuration.
func (s *sshd) command() string { return "ssh -F '" + s.path("config") + "'" }

func TestSSH(t *testing.T) {
	isolate(t)
	s := startSSHD(t)
	t.Setenv("GIT_SSH_COMMAND", s.command())
	dir := newRepository(t, 1)
	at := s.user + "@127.0.0.1:" + s.port
	for name, url := range map[string]string{
		"URL":          "ssh://" + at + strings.ReplaceAll(dir, " ", "%20"),
		"git's scheme": "git+ssh://" + at + dir,
		"scp":          "alias:" + dir,
		"scp with all": s.user + "@alias:" + dir,
		"scp and port": "[127.0.0.1:" + s.port + "]:" + dir,
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			roundTrip(t, dir, url, remote.Options{})
		})
	}
	t.Run("with somebody to ask", func(t *testing.T) {
		clean(t)
		roundTrip(t, dir, "alias:"+dir, remote.Options{Ask: func(string, bool) (string, error) { return "", nil }})
	})
}

// The paths of a home: ~/x, and x in the scp form.
func TestSSHHome(t *testing.T) {
	isolate(t)
	s := startSSHD(t)
	t.Setenv("GIT_SSH_COMMAND", s.command())
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := newRepository(t, 1)
	rel := func(home string) string {
		path, err := filepath.Rel(home, dir)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	login, home := rel(me.HomeDir), rel(os.Getenv("HOME"))
	for _, url := range []string{"alias:" + login, "alias:~/" + home, "ssh://alias/~/" + home, "ssh://alias/~" + s.user + "/" + login} {
		r := open(t, url, remote.Options{})
		session, err := r.Fetch(t.Context())
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if session.Refs()[main] != tip(t, dir) {
			t.Errorf("%s: refs are %v", url, session.Refs())
		}
		session.Close()
	}
}

func TestSSHErrors(t *testing.T) {
	isolate(t)
	s := startSSHD(t)
	t.Setenv("GIT_SSH_COMMAND", s.command())
	dir := newRepository(t, 1)
	url := "ssh://" + s.user + "@127.0.0.1:" + s.port + dir
	s.keygen(t, "other", "ed25519")
	s.write(t, "changed", "[127.0.0.1]:"+s.port+" "+s.read(t, "other.pub"))
	s.write(t, "nobody", "")
	tests := []struct {
		name, key, known, more, url string
		want                        error
		says                        []string
	}{
		{"host key changed", "key", "changed", "", url, remote.ErrHostKey, []string{"HAS CHANGED", "ssh-keygen -R '[127.0.0.1]:" + s.port + "'"}},
		{"host key unknown", "key", "nobody", "", url, remote.ErrHostKey, []string{"Connect once with \"ssh -p " + s.port + " " + s.user + "@127.0.0.1\""}},
		{"host key unknown, strictly", "key", "nobody", "StrictHostKeyChecking yes", url, remote.ErrHostKey, nil},
		{"wrong key", "wrong", "known", "", url, remote.ErrAccess, []string{"Permission denied (publickey)", "key is known there"}},
		{"no repository", "key", "known", "", url + ".none", remote.ErrNotFound, []string{".git.none"}},
		{"no such host", "key", "known", "", "ssh://no-such-host.invalid/x", remote.ErrOffline, []string{"Could not resolve"}},
		{"refused", "key", "known", "", "ssh://127.0.0.1:" + freePort(t) + "/x", remote.ErrOffline, []string{"refused"}},
		{"jump refused", "key", "known", "ProxyJump 127.0.0.1:" + freePort(t), url, remote.ErrOffline, nil},
		{"a proxy that says nothing", "key", "known", "ProxyCommand true", url, remote.ErrOffline, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			s.config(t, tt.key, tt.known, tt.more)
			var said safeBuffer
			wants(t, fetchError(t, open(t, tt.url, remote.Options{Messages: &said})), tt.want, append(tt.says, tt.url)...)
			if said.String() != "" {
				t.Errorf("what the error says was said before: %q", said.String())
			}
		})
	}
}

func TestSSHJump(t *testing.T) {
	isolate(t)
	clean(t)
	s := startSSHD(t)
	dir := newRepository(t, 1)
	s.config(t, "key", "known", "")
	s.write(t, "config", s.read(t, "config")+"Host behind\n  HostName 127.0.0.1\n  HostKeyAlias alias\n  Port "+s.port+"\n  ProxyJump alias\n")
	t.Setenv("GIT_SSH_COMMAND", s.command())
	roundTrip(t, dir, "behind:"+dir, remote.Options{})
}

// What is said before anything of git's, such as a banner or by a login shell.
func TestSSHNoise(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	bin := t.TempDir()
	var said safeBuffer
	t.Setenv("GIT_SSH_COMMAND", script(t, filepath.Join(bin, "noisy"), `printf 'Property of \033[5mACME\n' >&2; shift; exec sh -c "$1"`))
	session, err := open(t, "host:"+dir, remote.Options{Messages: &said}).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session.Close()
	if want := "ssh: Property of \\x1b[5mACME\n"; said.String() != want {
		t.Errorf("messages %q, want %q", said.String(), want)
	}
	t.Setenv("GIT_SSH_COMMAND", script(t, filepath.Join(bin, "chatty"), `printf 'Welcome to \033[5mACME\nhave fun'; cat >/dev/null`))
	wants(t, fetchError(t, open(t, "host:"+dir, remote.Options{})), remote.ErrProtocol, `it says "Welcome to \x1b[5mACME"`)
	t.Setenv("GIT_SSH_COMMAND", script(t, filepath.Join(bin, "gitless"), `echo "bash: line 1: git-upload-pack: command not found" >&2; exit 127`))
	wants(t, fetchError(t, open(t, "host:"+dir, remote.Options{})), remote.ErrProtocol, "Install git on the other side")
	t.Setenv("GIT_SSH_COMMAND", script(t, filepath.Join(bin, "silent"), `exit 3`))
	wants(t, fetchError(t, open(t, "host:"+dir, remote.Options{})), remote.ErrServer, "exit status 3")
	t.Setenv("GIT_SSH_COMMAND", filepath.Join(bin, "missing"))
	wants(t, fetchError(t, open(t, "host:"+dir, remote.Options{})), remote.ErrOffline, "not found")
}

// Which program is run as ssh, and with which arguments.
func TestSSHCommand(t *testing.T) {
	home := isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	record := func(name string) string {
		return script(t, filepath.Join(home, "bin", name), `printf '%s\n' "${0##*/}" "$@" >'`+home+`/args'
while [ $# -gt 1 ]; do shift; done
exec sh -c "$1"
`)
	}
	record("ssh")
	t.Setenv("PATH", filepath.Join(home, "bin")+":"+os.Getenv("PATH"))
	ours := newRepository(t, 0)
	ask := func(string, bool) (string, error) { return "", nil }
	tests := []struct {
		name, url string
		set       func(t *testing.T)
		opts      remote.Options
		want      string
	}{
		{"plain", "host:" + dir, nil, remote.Options{}, "ssh -o BatchMode=yes host"},
		{"plain and asking", "host:" + dir, nil, remote.Options{Ask: ask}, "ssh host"},
		{"user and port", "ssh://me@host:23" + dir, nil, remote.Options{Ask: ask}, "ssh -p 23 me@host"},
		{"IPv6", "ssh://[::1]:23" + dir, nil, remote.Options{Ask: ask}, "ssh -p 23 ::1"},
		{"GIT_SSH", "host:" + dir, func(t *testing.T) { t.Setenv("GIT_SSH", record("a b")) }, remote.Options{}, "a b host"},
		{"plink", "ssh://host:23" + dir, func(t *testing.T) { t.Setenv("GIT_SSH", record("plink")) }, remote.Options{}, "plink -P 23 host"},
		{"tortoiseplink", "ssh://host:23" + dir, func(t *testing.T) { t.Setenv("GIT_SSH", record("TortoisePlink")) }, remote.Options{},
			"TortoisePlink -batch -P 23 host"},
		{"the user's setting", "host:" + dir, func(t *testing.T) {
			git(t, "", "config", "--global", "core.sshCommand", record("global")+" -x 'a b'")
		}, remote.Options{}, "global -x a b host"},
		{"the repository's setting", "host:" + dir, func(t *testing.T) {
			git(t, ours, "config", "core.sshCommand", record("own"))
		}, remote.Options{GitDir: ours}, "own host"},
		{"the variable", "host:" + dir, func(t *testing.T) { t.Setenv("GIT_SSH_COMMAND", "X=1 "+record("variable")+" -v") }, remote.Options{},
			"variable -v host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.set != nil {
				tt.set(t)
			}
			s, err := open(t, tt.url, tt.opts).Fetch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			b, err := os.ReadFile(filepath.Join(home, "args"))
			if err != nil {
				t.Fatal(err)
			}
			args := strings.Split(strings.TrimSpace(string(b)), "\n")
			if got := strings.Join(args[:len(args)-1], " "); got != tt.want {
				t.Errorf("run as %q, want %q", got, tt.want)
			}
			if got, want := args[len(args)-1], "git-upload-pack '"+strings.ReplaceAll(dir, "'", `'\''`)+"'"; got != want {
				t.Errorf("the service is %q, want %q", got, want)
			}
		})
	}
	git(t, "", "config", "--global", "ssh.variant", "simple")
	wants(t, fetchError(t, open(t, "ssh://host:23/x", remote.Options{})), remote.ErrURL, "port 23", "ssh.variant")
}

// The end of the context ends ssh, also one that ignores being told so.
func TestSSHCancel(t *testing.T) {
	isolate(t)
	for name, ask := range map[string]func(string, bool) (string, error){
		"alone": nil, "beside the user": func(string, bool) (string, error) { return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			fifo := filepath.Join(t.TempDir(), "reached")
			ctx, pid := cancelAt(t, fifo)
			t.Setenv("GIT_SSH_COMMAND", script(t, filepath.Join(t.TempDir(), "deaf"), `trap '' TERM; echo $$ >'`+fifo+`'; exec sleep 1000`))
			_, err := open(t, "host:x", remote.Options{Ask: ask}).Fetch(ctx)
			wants(t, err, context.Canceled)
			gone(t, <-pid)
		})
	}
}

// What has left the group and still holds the pipes is not waited for.
func TestSSHCancelStray(t *testing.T) {
	isolate(t)
	require.Component(t, "setsid")
	clean(t)
	fifo := filepath.Join(t.TempDir(), "reached")
	ctx, pid := cancelAt(t, fifo)
	t.Setenv("GIT_SSH_COMMAND", script(t, filepath.Join(t.TempDir(), "stray"), `setsid sh -c 'echo $$ >"`+fifo+`"; exec sleep 1000'`))
	_, err := open(t, "host:x", remote.Options{}).Fetch(ctx)
	wants(t, err, context.Canceled)
	stray, err := strconv.Atoi(<-pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(stray, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestSSHTouch has ssh wait for somebody to touch a key: that it does is to be seen
// before anything else comes.
func TestSSHTouch(t *testing.T) {
	isolate(t)
	dir := newRepository(t, 1)
	touched := filepath.Join(t.TempDir(), "touched")
	if err := exec.Command("mkfifo", touched).Run(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSH_COMMAND", script(t, filepath.Join(t.TempDir(), "hardware"),
		`echo 'Confirm user presence for key ED25519-SK' >&2; cat '`+touched+`'; shift; exec sh -c "$1"`))
	said := onWrite(func(line string) {
		if strings.Contains(line, "Confirm user presence for key ED25519-SK") {
			if err := os.WriteFile(touched, nil, 0); err != nil {
				t.Error(err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // instead of for ever
	defer cancel()
	s, err := open(t, "host:"+dir, remote.Options{Messages: said}).Fetch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Refs()[main] != tip(t, dir) {
		t.Errorf("refs are %v", s.Refs())
	}
}

// onWrite is a writer that hands on what it gets.
type onWrite func(string)

func (f onWrite) Write(b []byte) (int, error) {
	f(string(b))
	return len(b), nil
}
