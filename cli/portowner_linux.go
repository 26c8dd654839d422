package cli

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"qme/internal/account"
)

// usedBy describes the process that listens on a port of an address, as far as the system
// tells: " by process 123 (python3) of NAME".
func usedBy(host string, port int) string {
	uid, inode := listener(host, port)
	if inode == "" {
		return ""
	}
	who := uid
	if u, ok := account.Lookup(uid); ok {
		who = u.Login
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return " by " + who
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
			pid := strings.Split(link, "/")[2]
			name, err := os.ReadFile("/proc/" + pid + "/comm")
			if err == nil {
				return fmt.Sprintf(" by process %s (%s) of %s", pid, strings.TrimSpace(string(name)), who)
			}
		}
	}
	return " by " + who
}

// listener returns the user and the inode of the listening socket that conflicts with an
// address (proc(5)): a socket on the same address, or on any address if either of them is
// unspecified.
func listener(host string, port int) (uid, inode string) {
	wanted, err := netip.ParseAddr(host)
	if err != nil {
		wanted = netip.IPv4Unspecified() // a name may mean any address
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" {
				continue
			}
			at, ok := strings.CutSuffix(f[1], fmt.Sprintf(":%04X", port))
			if !ok {
				continue
			}
			has, ok := procAddr(at)
			if !ok || has == wanted.Unmap() || has.IsUnspecified() || wanted.IsUnspecified() {
				return f[7], f[9]
			}
		}
	}
	return "", ""
}

// procAddr parses an address in the format of /proc: 32-bit words in the byte order of
// the machine.
func procAddr(text string) (netip.Addr, bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	return addr.Unmap(), ok
}
