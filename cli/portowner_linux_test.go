package cli

import (
	"net"
	"strings"
	"testing"
)

// TestListener tells apart who listens on the same port of several addresses.
func TestListener(t *testing.T) {
	t.Parallel()
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	port := first.Addr().(*net.TCPAddr).Port
	second, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	inodes := map[string]bool{}
	for _, host := range []string{"127.0.0.1", "127.0.0.3"} {
		_, inode := listener(host, port)
		inodes[inode] = true
	}
	if len(inodes) != 2 || inodes[""] {
		t.Errorf("the sockets are %v", inodes)
	}
	if _, inode := listener("127.0.0.2", port); inode != "" {
		t.Errorf("nobody listens, and it is %s", inode)
	}
	if _, inode := listener("0.0.0.0", port); inode == "" {
		t.Error("for all addresses nobody is in the way")
	}
	if by := usedBy("127.0.0.1", port); !strings.Contains(by, "cli.test") {
		t.Errorf("it is used%s", by)
	}
}
