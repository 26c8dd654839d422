package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"qme/dashboard"
	"qme/internal/program"
	"qme/internal/signalled"
)

// startOptions are the flags of start.
type startOptions struct {
	port, host, socket, cert, key            string
	debug, readOnly, insecureHTTP, noBrowser bool
}

type startCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *startCommand) command() *cli.Command {
	var o startOptions
	return &cli.Command{
		Name:  "start",
		Usage: "show the tasks in a browser",
		Description: `It serves a dashboard until it is interrupted, and prints its address. The address
contains a key, because other users of this machine can reach the server, too. To use
it from another machine, forward the port with ssh as shown.

On an address other than the machine's own, connections are encrypted: with --cert and
--key, or with a certificate that is made for the purpose and whose fingerprint is
printed.

Examples:
  qme start
  qme start --port 8000 --read-only
  qme start --host 0.0.0.0
  qme start --socket ~/qme.sock`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "port", Usage: "listen on port `N`; 0: any free port (setting server.port)", Destination: &o.port},
			&cli.StringFlag{Name: "host", Usage: "listen on this `ADDRESS` (setting server.host)", Destination: &o.host},
			&cli.StringFlag{Name: "socket", Usage: "listen on a unix socket at `PATH` instead", Destination: &o.socket, TakesFile: true},
			&cli.BoolFlag{Name: "read-only", Usage: "do not allow clients to run, cancel or clear anything", Destination: &o.readOnly},
			&cli.StringFlag{Name: "cert", Usage: "use the certificate in `FILE`", Destination: &o.cert, TakesFile: true},
			&cli.StringFlag{Name: "key", Usage: "`FILE` holds the certificate's key", Destination: &o.key, TakesFile: true},
			&cli.BoolFlag{Name: "insecure-http", Usage: "do not encrypt, on any address: the network can read the key and all output", Destination: &o.insecureHTTP},
			&cli.BoolFlag{Name: "no-browser", Usage: "do not open a browser", Destination: &o.noBrowser},
			&cli.BoolFlag{Name: "debug", Usage: "print each request", Destination: &o.debug},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			if o.socket != "" && (c.IsSet("port") || c.IsSet("host")) {
				return startUsage("--socket excludes --port and --host")
			}
			if c.IsSet("socket") && o.socket == "" {
				return startUsage("--socket was given no path")
			}
			if (o.cert == "") != (o.key == "") {
				return startUsage("--cert and --key belong together")
			}
			if o.cert != "" && o.insecureHTTP {
				return startUsage("--cert and --insecure-http exclude each other")
			}
			ctx, stop := untilSignalled(ctx)
			defer stop()
			return cmd.run(ctx, o)
		},
	}
}

// untilSignalled returns a context that ends when the server is to stop: on Ctrl-C,
// SIGTERM or when the terminal is closed. Signals ignored by nohup or a shell's & stay
// ignored.
func untilSignalled(ctx context.Context) (context.Context, context.CancelFunc) {
	// A reader of the messages may exit. Writes then fail, but the server goes on. Child
	// processes do not inherit this.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return signalled.Until(ctx)
}

func startUsage(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), help: "qme start --help"}
}

// serverGC is the garbage collection target of a server in percent.
const serverGC = 100

// run serves until ctx ends, which is not an error.
func (cmd *startCommand) run(ctx context.Context, o startOptions) error {
	debug.SetGCPercent(serverGC)
	if _, err := cmd.settings.sure(); err != nil {
		return err
	}
	home, err := cmd.home.live()
	if err != nil {
		return err
	}
	key, err := cmd.serverKey(home.Service.Home)
	if err != nil {
		return err
	}
	if err := os.Unsetenv(keyVariable); err != nil { // child processes need no key
		return err
	}
	l, err := cmd.listen(o)
	if err != nil {
		return err
	}
	where := cmd.addressOf(l, o)
	config, err := where.tls(home.Service.Home, o)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if err := home.Recover(ctx); err != nil {
		cmd.term.warn("a run is still in the spool: %v", err)
	}
	opts := dashboard.Options{
		Tasks: home, Queue: homeQueue{cmd.home, home.Service}, Explain: cmd.settings.explain, Key: key, Hosts: where.names, Secure: config != nil, Remote: where.remote, ReadOnly: o.readOnly,
		Version: version(), Home: home.Service.Home, Host: hostname(), User: login(), Log: cmd.term.warn,
	}
	if o.debug {
		opts.Debug = cmd.term.warn
	}
	address := where.url(config != nil) + "/?token=" + url.QueryEscape(key)
	if err := cmd.announce(where, address, config, o); err != nil {
		return errors.Join(err, l.Close())
	}
	closed := cmd.openBrowser(home.Service.Home, address, where, o)
	defer closed()
	return dashboard.New(opts).Serve(ctx, l, config)
}

// serverKey returns the key from the environment or the home.
func (cmd *startCommand) serverKey(home string) (string, error) {
	cfg, err := cmd.settings.config()
	if err != nil {
		return "", err
	}
	if key := cfg.String("server.key"); key != "" {
		return key, nil
	}
	return dashboard.LoadKey(home)
}

// An address is the address of a server.
type address struct {
	host, port string   // port "" for a unix socket
	names      []string // accepted host names
	remote     bool     // reachable from other machines
	socket     string
}

// listen opens the port or the socket.
func (cmd *startCommand) listen(o startOptions) (net.Listener, error) {
	if o.socket != "" {
		return listenUnix(o.socket)
	}
	cfg, err := cmd.settings.config()
	if err != nil {
		return nil, err
	}
	host, port := cfg.String("server.host"), cfg.String("server.port")
	if o.host != "" {
		host = o.host
	}
	if o.port != "" {
		port = o.port
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return nil, startUsage("--port takes a number from 0 to 65535, not %q", port)
	}
	if n != 0 && isBadPort(n) {
		return nil, startUsage("browsers refuse to connect to port %s, which belongs to another protocol; \"qme start --port %s\" takes another", port, otherPort(port))
	}
	l, err := listenTCP(host, port)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %s is in use%s; \"qme start --port %s\" takes another, --port 0 any that is free", port, usedBy(host, n), otherPort(port))
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %s is for the administrator; \"qme start --port 5000\" takes another", port)
	case err != nil:
		return nil, fmt.Errorf("listen on %s, port %s: %w (--host takes an address of this machine, such as 127.0.0.1 or 0.0.0.0)", host, port, err)
	}
	return l, nil
}

// listenTCP listens on a port. For port 0 it picks a free port that browsers can connect
// to.
func listenTCP(host, port string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil || !isBadPort(l.Addr().(*net.TCPAddr).Port) {
		return l, err
	}
	other, err := listenTCP(host, port) // while this port is still taken
	return other, errors.Join(err, l.Close())
}

func otherPort(port string) string {
	n, _ := strconv.Atoi(port) // it was checked
	for n++; isBadPort(n); n++ {
	}
	if n < 1024 || n > 65535 {
		return "5000"
	}
	return strconv.Itoa(n)
}

// socketMost is the maximal length of the path of a unix socket (unix(7); less on macOS).
const socketMost = len(syscall.RawSockaddrUnix{}.Path) - 1

// listenUnix opens a socket that only its owner can reach. It removes the socket of a
// dead server.
func listenUnix(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode().Type() != os.ModeSocket:
		return nil, fmt.Errorf("%s is there and is no socket; name another path", path)
	case err == nil:
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			return nil, errors.Join(fmt.Errorf("a server listens on %s; name another path", path), conn.Close())
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	if len(path) > socketMost {
		return nil, fmt.Errorf("the path %s has %d characters, and one of a socket %d at the most; name a shorter one", path, len(path), socketMost)
	}
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	return l, err
}

// addressOf returns the address of a listener with the host names by which clients may
// address it.
func (cmd *startCommand) addressOf(l net.Listener, o startOptions) address {
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		path, err := filepath.Abs(o.socket)
		if err != nil {
			path = o.socket
		}
		return address{host: "localhost", socket: path}
	}
	at := address{host: tcp.IP.String(), port: strconv.Itoa(tcp.Port), remote: !tcp.IP.IsLoopback()}
	at.names = []string{at.host}
	if given := o.host; given != "" {
		at.names = append(at.names, given)
	} else if cmd.settings.cfg != nil {
		at.names = append(at.names, cmd.settings.cfg.String("server.host"))
	}
	if tcp.IP.IsUnspecified() {
		at.host = hostname()
		at.names = append(ownAddresses(), at.host)
	}
	slices.Sort(at.names)
	at.names = slices.Compact(at.names)
	return at
}

// ownAddresses returns the addresses of this machine.
func ownAddresses() (list []string) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the name of the machine must do
	}
	for _, addr := range addrs {
		if n, ok := addr.(*net.IPNet); ok {
			list = append(list, n.IP.String())
		}
	}
	return list
}

func (at address) url(secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if at.port == "" {
		return scheme + "://localhost:5000" // the local end of the ssh tunnel
	}
	return scheme + "://" + net.JoinHostPort(at.host, at.port)
}

// tls returns the TLS configuration, nil if connections are not encrypted.
func (at address) tls(home string, o startOptions) (*tls.Config, error) {
	var cert *tls.Certificate
	var err error
	switch {
	case o.cert != "":
		var given tls.Certificate
		given, err = tls.LoadX509KeyPair(o.cert, o.key)
		if cert = &given; err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %s; both are PEM, and the key is not encrypted", o.cert, o.key, strings.TrimPrefix(err.Error(), "tls: "))
		}
	case at.remote && !o.insecureHTTP:
		cert, err = dashboard.LoadCertificate(home, append([]string{"localhost", "127.0.0.1", "::1"}, at.names...))
		if err != nil {
			err = fmt.Errorf("%w (--cert and --key name one that is there already)", err)
		}
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// announce prints the address of the server. Only the address goes to standard output.
func (cmd *startCommand) announce(at address, url string, config *tls.Config, o startOptions) error {
	if _, err := fmt.Fprintln(cmd.term.out, url); err != nil {
		return outputError(err)
	}
	from := fmt.Sprintf("ssh -L %s:%s %s@%s", at.port, net.JoinHostPort(at.host, at.port), login(), hostname())
	if at.socket != "" {
		from = fmt.Sprintf("ssh -L 5000:%s %s@%s", at.socket, login(), hostname())
	}
	if !at.remote {
		there := ""
		if at.socket == "" && at.host != "127.0.0.1" { // the far end of the tunnel is on localhost only
			there = fmt.Sprintf(", with localhost in the place of %s", at.host)
		}
		cmd.term.note("From another machine: %s\nand open the address there%s.", from, there)
	}
	if config != nil && o.cert == "" {
		cmd.term.note("The certificate is made by qme itself. Browsers warn of it; its SHA-256 fingerprint is\n%s", dashboard.Fingerprint(&config.Certificates[0]))
	}
	if at.remote && config == nil {
		cmd.term.warn("connections are not encrypted: who is on the way reads the key and all output")
	}
	cmd.term.note("Ctrl-C ends it.")
	return nil
}

// redirect returns a page that redirects to an address.
func redirect(to string) string {
	return `<!doctype html><meta http-equiv="refresh" content="0; url=` + html.EscapeString(to) + `">`
}

// openBrowser opens the page if the user sits at a desktop. Other users can see the
// arguments of processes, so the key is passed in a file that redirects the browser.
func (cmd *startCommand) openBrowser(home, url string, at address, o startOptions) (remove func()) {
	remove = func() {}
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	desktop := runtime.GOOS == "darwin" || os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
	overSSH := os.Getenv("SSH_CONNECTION") != "" || os.Getenv("SSH_TTY") != ""
	if o.noBrowser || !desktop || overSSH || at.socket != "" || !isTerminal(cmd.term.out) {
		return remove
	}
	browser, err := exec.LookPath(opener)
	if err != nil {
		return remove
	}
	f, err := os.CreateTemp(home, ".open-dashboard-*.html") // mode 0600
	if err != nil {
		cmd.term.warn("no browser is opened: %v", err)
		return remove
	}
	remove = func() { _ = os.Remove(f.Name()) } // it may have been deleted with the home
	_, err = fmt.Fprintln(f, redirect(url))
	if err = errors.Join(err, f.Close()); err == nil {
		err = program.Detach(exec.Command(browser, f.Name())) // the user sees whether a browser opens
	}
	if err != nil {
		cmd.term.warn("no browser is opened: %v", err)
	}
	return remove
}
