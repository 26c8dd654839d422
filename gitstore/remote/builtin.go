package remote

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"qme/internal/account"
)

// connectTimeout bounds the time to reach a host, and again that of the handshake.
const connectTimeout = 30 * time.Second

const builtinHint = "There is no program ssh here. Without it the configuration of ssh is not read; " +
	"keys are those of the agent and ~/.ssh/id_ed25519, id_ecdsa and id_rsa; hosts are those of known_hosts."

// dialBuiltin speaks ssh where there is no program for it.
func (r *Remote) dialBuiltin(ctx context.Context, service string) (link, error) {
	addr := net.JoinHostPort(r.loc.host, cmp.Or(r.loc.port, "22"))
	cfg, closeAgent, err := r.sshConfig(addr)
	if err != nil {
		return nil, err
	}
	defer closeAgent()
	conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, r.fail(ErrOffline, err.Error(), "").because(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	timer := time.AfterFunc(connectTimeout, func() { _ = conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, addr, cfg)
	if !timer.Stop() && err == nil {
		err = errors.Join(errors.New("the host took too long"), c.Close())
	}
	if err != nil {
		_ = conn.Close()
		return nil, r.handshakeError(err)
	}
	client := ssh.NewClient(c, channels, requests)
	l, err := r.startBuiltin(client, service)
	if err != nil {
		_ = client.Close()
		return nil, r.fail(ErrProtocol, err.Error(), "").because(err)
	}
	return l, nil
}

// startBuiltin starts the service there.
func (r *Remote) startBuiltin(client *ssh.Client, service string) (link, error) {
	s, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	stderr := &lineWriter{to: r.out, held: true, prefix: "ssh: "}
	s.Stderr = stderr
	in, err := s.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.Start(service + " " + quote(r.loc.path)); err != nil {
		return nil, err
	}
	return newStreamLink(r, in, io.NopCloser(out), stderr, &channel{client: client, session: s}), nil
}

// A channel is a service at the other end of a connection of ours.
type channel struct {
	client  *ssh.Client
	session *ssh.Session
	once    sync.Once
}

// kill implements peer.
func (c *channel) kill() { c.once.Do(func() { _ = c.client.Close() }) }

// wait implements peer.
func (c *channel) wait() error {
	err := c.session.Wait()
	c.kill()
	_ = c.client.Wait() // says only that it is closed
	return err
}

// blame implements peer.
func (c *channel) blame(exit error) (hint string, kind error) {
	var missing *ssh.ExitMissingError
	if errors.As(exit, &missing) {
		return "", ErrOffline
	}
	return "", ErrServer
}

// handshakeError explains an error of the ssh handshake.
func (r *Remote) handshakeError(err error) error {
	var key *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &key) && len(key.Want) > 0:
		return r.said("the host key has changed: remote host identification has changed", ErrHostKey, "")
	case errors.As(err, &key):
		return r.fail(ErrHostKey, "its key is not known", "Put the key of the host into ~/.ssh/known_hosts, once you know it to be right. "+builtinHint).because(err)
	case errors.As(err, &revoked):
		return r.fail(ErrHostKey, err.Error(), "Ask who runs the host.").because(err)
	case strings.Contains(err.Error(), "unable to authenticate"): // it has no type
		return r.fail(ErrAccess, err.Error(), "Check that your key is known there. "+builtinHint).because(err)
	}
	return r.fail(ErrOffline, err.Error(), "").because(err)
}

// sshConfig gathers the user, the user's keys, and those that the host may have.
func (r *Remote) sshConfig(addr string) (cfg *ssh.ClientConfig, closeAgent func(), err error) {
	files := slices.DeleteFunc([]string{filepath.Join(os.Getenv("HOME"), ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}, func(name string) bool {
		_, err := os.Stat(name)
		return errors.Is(err, os.ErrNotExist)
	})
	known, err := knownhosts.New(files...)
	if err != nil {
		return nil, nil, r.fail(ErrHostKey, err.Error(), "Correct the file known_hosts.").because(err)
	}
	name := cmp.Or(r.loc.user, os.Getenv("USER"), os.Getenv("LOGNAME"))
	if name == "" {
		u, ok := account.Lookup(strconv.Itoa(os.Getuid()))
		if !ok {
			return nil, nil, r.fail(ErrURL, "this process's account has no name", "Give the user in the URL.")
		}
		name = u.Login
	}
	signers, closeAgent := r.agentSigners()
	signers = append(signers, r.fileSigners(len(signers) == 0)...)
	return &ssh.ClientConfig{
		User:              name,
		HostKeyCallback:   known,
		HostKeyAlgorithms: knownAlgorithms(known, addr),
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signers...)},
	}, closeAgent, nil
}

// knownAlgorithms returns the kinds of key that are known of a host: of several
// keys that it has, it is to show one of these. nil is any.
func knownAlgorithms(known ssh.HostKeyCallback, addr string) []string {
	var key *knownhosts.KeyError
	if err := known(addr, &net.TCPAddr{}, noKey{}); !errors.As(err, &key) {
		return nil
	}
	var algorithms []string
	for _, k := range key.Want {
		if t := k.Key.Type(); t == ssh.KeyAlgoRSA {
			algorithms = append(algorithms, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			algorithms = append(algorithms, t)
		}
	}
	return algorithms
}

// noKey is a key that no host has.
type noKey struct{}

// Type implements ssh.PublicKey.
func (noKey) Type() string { return "none" }

// Marshal implements ssh.PublicKey.
func (noKey) Marshal() []byte { return []byte("none") }

// Verify implements ssh.PublicKey.
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// agentSigners returns the keys of the agent, if there is one.
func (r *Remote) agentSigners() (signers []ssh.Signer, done func()) {
	done = func() {}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, done
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		r.out.own("ssh: the agent cannot be reached: " + err.Error())
		return nil, done
	}
	done = func() { _ = conn.Close() }
	if signers, err = agent.NewClient(conn).Signers(); err != nil {
		r.out.own("ssh: the agent gives no keys: " + err.Error())
	}
	return signers, done
}

// fileSigners returns the keys of the usual files. A passphrase is asked for when
// unlock is set.
func (r *Remote) fileSigners(unlock bool) (signers []ssh.Signer) {
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		path := filepath.Join(os.Getenv("HOME"), ".ssh", name)
		pem, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var signer ssh.Signer
		if err == nil {
			signer, err = ssh.ParsePrivateKey(pem)
		}
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) && unlock && r.opts.Ask != nil {
			var phrase string
			if phrase, err = r.opts.Ask("Passphrase for the key "+path+": ", true); err == nil {
				signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(phrase))
			}
		}
		if err != nil {
			r.out.own("ssh: the key " + path + " is not used: " + err.Error())
			continue
		}
		signers = append(signers, signer)
	}
	return signers
}
