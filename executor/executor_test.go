package executor

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/record"
)

func TestRecognise(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "my script")
	if err := os.WriteFile(odd, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		words []string
		argv  []string
		line  string
	}{
		{[]string{"ls"}, []string{"ls"}, "ls"},
		{[]string{"ls", "-l", "/a b"}, []string{"ls", "-l", "/a b"}, "ls -l '/a b'"},
		{[]string{"sort x | uniq"}, []string{"sh", "-c", "sort x | uniq"}, "sort x | uniq"},
		{[]string{"A=1"}, []string{"sh", "-c", "A=1"}, "A=1"},
		{[]string{odd}, []string{odd}, "'" + odd + "'"},
		{[]string{"echo", ""}, []string{"echo", ""}, "echo ''"},
		{[]string{"echo", "it's"}, []string{"echo", "it's"}, `echo 'it'\''s'`},
	} {
		c, err := NewSet(&Shell{Program: "sh"}).Recognise(tt.words)
		if err != nil {
			t.Errorf("Recognise(%q): %v", tt.words, err)
			continue
		}
		if c.Executor != ShellName || !slices.Equal(c.Argv, tt.argv) || c.Line != tt.line {
			t.Errorf("Recognise(%q) = %q, %q; want %q, %q", tt.words, c.Argv, c.Line, tt.argv, tt.line)
		}
	}
	for _, words := range [][]string{nil, {""}, {"  "}} {
		if _, err := NewSet(&Shell{Program: "sh"}).Recognise(words); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("Recognise(%q): %v, want ErrInvalid", words, err)
		}
	}
}

// FuzzQuote compares with what a real shell reads.
func FuzzQuote(f *testing.F) {
	f.Add("a b", "'")
	f.Add("$HOME", "a\nb")
	f.Add("=x", "\xff~")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			t.Skip("no argument of a program holds a NUL")
		}
		out, err := exec.Command("sh", "-c", `printf '%s\000' `+Quote([]string{a, b})).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := a + "\x00" + b + "\x00"; string(out) != want {
			t.Errorf("Quote(%q, %q) reads as %q", a, b, out)
		}
	})
}
