package cli

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// usedBy says who listens on a port, as far as the system tells: " by NAME's process 123
// (python3)".
func usedBy(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	uid, inode := listener(n)
	if inode == "" {
		return ""
	}
	who := uid
	if u, err := user.LookupId(uid); err == nil {
		who = u.Username
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

// listener returns the user and the inode of the socket that listens on a port (proc(5)).
func listener(port int) (uid, inode string) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				return f[7], f[9]
			}
		}
	}
	return "", ""
}
