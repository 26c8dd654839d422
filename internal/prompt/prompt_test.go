package prompt_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"qme/internal/prompt"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{"yes\nno\n": "yes\n", "\n": "\n"} {
		if got, err := prompt.Line(t.Context(), strings.NewReader(in)); got != want || err != nil {
			t.Errorf("of %q it reads %q, %v", in, got, err)
		}
	}
	if got, err := prompt.Line(t.Context(), strings.NewReader("ye")); got != "ye" || !errors.Is(err, io.EOF) {
		t.Errorf("of half a line it reads %q, %v", got, err)
	}
}

func TestLineIsNotWaitedFor(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() // nothing comes
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := prompt.Line(ctx, r); got != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("it reads %q, %v", got, err)
	}
}
