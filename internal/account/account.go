// Package account determines the account of a process. The program is built without the C
// library, so it reads only /etc/passwd itself. For accounts of a directory server (sssd,
// LDAP) it runs getent with a short timeout.
package account

import (
	"cmp"
	"context"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"qme/internal/program"
)

// askTime limits the time for a directory server.
const askTime = 2 * time.Second

// maxLine limits its answer, in bytes.
const maxLine = 64 << 10

// An Entry describes an account. Unknown fields are empty.
type Entry struct{ Login, Home string }

// Lookup returns the account of a user id; ok is false if there is none.
func Lookup(uid string) (e Entry, ok bool) {
	if u, err := user.LookupId(uid); err == nil && u.Username != "" {
		return Entry{u.Username, u.HomeDir}, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	line := program.Buffer{Most: maxLine, Stop: cancel}
	cmd := program.Command(ctx, "getent", "passwd", uid)
	cmd.Stdout = &line
	if err := cmd.Run(); err != nil { // no getent (macOS), or no such account
		return Entry{}, false
	}
	return parse(string(line.Bytes()), uid)
}

// parse parses a line of passwd(5).
func parse(line, uid string) (Entry, bool) {
	line, _, _ = strings.Cut(line, "\n")
	f := strings.Split(line, ":")
	if len(f) < 6 || f[0] == "" || f[2] != uid {
		return Entry{}, false
	}
	return Entry{f[0], f[5]}, true
}

var own = sync.OnceValue(func() Entry {
	e, _ := Lookup(strconv.Itoa(os.Getuid()))
	return e
})

// Login returns the login name of this process from the environment, since on a cluster
// the system has to ask the network. Without it, the name comes from the system, or else
// is the number.
func Login() string {
	if name := cmp.Or(os.Getenv("USER"), os.Getenv("LOGNAME")); name != "" {
		return name
	}
	return cmp.Or(own().Login, strconv.Itoa(os.Getuid()))
}

// Home returns the home directory of this process, "" if it has none.
func Home() string { return cmp.Or(os.Getenv("HOME"), own().Home) }
