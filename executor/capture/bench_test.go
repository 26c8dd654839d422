package capture

import (
	"context"
	"io"
	"os"
	"os/exec"
	"testing"
)

// BenchmarkTrue is what a run costs beyond fork and exec: compare with BenchmarkPlainTrue.
func BenchmarkTrue(b *testing.B) {
	for b.Loop() {
		if _, err := Run(context.Background(), Spec{Cmd: []string{"true"}, Out: io.Discard, Err: io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlainTrue has two pipes too.
func BenchmarkPlainTrue(b *testing.B) {
	for b.Loop() {
		c := exec.Command("true")
		c.Stdout, c.Stderr = io.Discard, io.Discard
		r, err := c.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Run(); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// BenchmarkThroughput passes 64 MiB through to a file and a recorder.
func BenchmarkThroughput(b *testing.B) {
	const size = 64 << 20
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	b.SetBytes(size)
	for b.Loop() {
		cmd := []string{"head", "-c", "67108864", "/dev/zero"}
		if _, err := Run(context.Background(), Spec{Cmd: cmd, Stdout: null, Out: io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}
