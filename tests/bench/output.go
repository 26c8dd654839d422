package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// mostMemory bounds the peak memory of a run with large output, in bytes.
const mostMemory = 100e6

// outputGroup measures a run with large output.
func outputGroup(l *lab) ([]row, error) {
	file, saved := filepath.Join(l.root, "large-output"), filepath.Join(l.root, "saved")
	if err := writeText(file, int64(l.opts.mib)<<20); err != nil {
		return nil, err
	}
	home, err := l.empty()
	if err != nil {
		return nil, err
	}
	tee := func(int) (sample, error) {
		if err := os.Remove(saved); err != nil && !errors.Is(err, os.ErrNotExist) {
			return sample{}, err
		}
		return l.measure(process{argv: []string{"sh", "-c", `cat "$1" | tee "$2"`, "sh", file, saved}})
	}
	a, b, err := l.pairs(max(3, l.opts.n/4), l.qmeStep(home, "run", "cat", file), tee)
	if err != nil {
		return nil, err
	}
	if err := l.sameOutput(home, file); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("qme run with %d MiB of output", l.opts.mib)
	return []row{
		compare(what+", against cat | tee", a, b, 1.5),
		{what: what + ": peak memory", goal: "under " + mb(mostMemory), figure: mb(a.rss()), verdict: judge(a.rss() < mostMemory)},
	}, errors.Join(os.Remove(file), os.Remove(saved))
}

// sameOutput makes sure that what was measured has recorded the output: it has
// the beginning of the file.
func (l *lab) sameOutput(home, file string) error {
	const check = `[ "$("$1" --home "$2" get --stdout 2>/dev/null | head -c 1000000 | cksum)" = "$(head -c 1000000 "$3" | cksum)" ]`
	if _, err := l.text("", "sh", "-c", check, "sh", l.qme, home, file); err != nil {
		return fmt.Errorf("the recorded output is not the file's: %w", err)
	}
	return nil
}

// writeText writes a file of so many bytes that reads like a log, and whose lines
// all differ. It is in memory afterwards, as far as that goes.
func writeText(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 1))
	var line []byte
	for left := size; left > 0 && err == nil; left -= int64(len(line)) {
		line = append(line[:0], "step "...)
		line = strconv.AppendInt(line, size-left, 10)
		for range 6 {
			line = strconv.AppendUint(append(line, " value="...), r.Uint64(), 36)
		}
		line = append(line, '\n')
		line = line[:min(int64(len(line)), left)]
		_, err = w.Write(line)
	}
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return err
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, in.Close())
}
