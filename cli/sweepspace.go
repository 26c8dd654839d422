package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/tasks/sweep"
)

// spaceOptions are the options of sweep that say which settings there are.
type spaceOptions struct {
	from   []string
	zip    bool
	random int
	seed   string
}

func (o *spaceOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "from", Usage: "read settings from the `FILE`, a table (CSV) or a list of objects (JSON); \"-\" is standard input", Destination: &o.from, TakesFile: true},
		&cli.BoolFlag{Name: "zip", Usage: "take the first value of each parameter together, then the second, and so on", Destination: &o.zip},
		&cli.IntFlag{Name: "random", Usage: "choose `N` of the settings at random", HideDefault: true, Destination: &o.random},
		&cli.StringFlag{Name: "seed", OnlyOnce: true, Usage: "with --random: choose the same ones as with the same `NUMBER` before", Destination: &o.seed},
	}
}

// settingsOf are the settings of a sweep in their order.
type settingsOf struct {
	space  *sweep.Space
	chosen []int  // numbers of points; nil for all
	seed   string // of the choice; "" for none
}

// count returns how many they are.
func (s *settingsOf) count() int {
	if s.chosen != nil {
		return len(s.chosen)
	}
	return s.space.Len()
}

// at returns one, from 0 on.
func (s *settingsOf) at(i int) sweep.Point {
	if s.chosen != nil {
		i = s.chosen[i]
	}
	return s.space.At(i)
}

// read returns the settings of a command line with some NAME=VALUES.
func (o *spaceOptions) read(c *cli.Command, in io.Reader, words []string) (*settingsOf, error) {
	var lists [][]sweep.Point
	for _, w := range words {
		axis, err := sweep.ParseAxis(w)
		if err != nil {
			return nil, sweepUsage("%s", said(err.Error()))
		}
		lists = append(lists, axis)
	}
	if o.zip {
		one, err := sweep.Zip(lists...)
		if err != nil {
			return nil, sweepUsage("--zip: %s", said(err.Error()))
		}
		if lists = nil; len(one) > 0 {
			lists = [][]sweep.Point{one}
		}
	}
	var files [][]sweep.Point
	for _, file := range o.from {
		list, err := readPoints(in, file)
		if err != nil {
			return nil, err
		}
		files = append(files, list)
	}
	lists = append(files, lists...) // the last one changes fastest
	if len(lists) == 0 {
		return nil, sweepUsage("there are no parameters: name them before --, as in lr=0.1,0.01 seed=1..5, or with --from FILE")
	}
	space, err := sweep.NewSpace(lists...)
	if err != nil {
		return nil, sweepUsage("%s", said(err.Error()))
	}
	s := &settingsOf{space: space}
	return s, o.choose(c, s)
}

// choose chooses some of the settings at random if the command line says so.
func (o *spaceOptions) choose(c *cli.Command, s *settingsOf) error {
	switch {
	case !c.IsSet("random") && c.IsSet("seed"):
		return sweepUsage("--seed is that of a random choice: say how many with --random")
	case !c.IsSet("random"):
		return nil
	case o.random < 1:
		return sweepUsage("--random takes a number from 1, not %d", o.random)
	}
	seed := rand.Uint64()
	if c.IsSet("seed") {
		var err error
		if seed, err = strconv.ParseUint(o.seed, 10, 64); err != nil {
			return sweepUsage("--seed takes a number from 0 to 18446744073709551615, not %s", quoted(o.seed))
		}
	}
	s.seed, s.chosen = strconv.FormatUint(seed, 10), s.space.Random(o.random, seed)
	return nil
}

// readPoints reads settings from a file.
func readPoints(in io.Reader, file string) ([]sweep.Point, error) {
	if file != "-" {
		f, err := os.Open(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &codeError{exitNotFound, fmt.Errorf("--from: there is no file %s", quoted(file))}
		case err != nil:
			return nil, fmt.Errorf("--from: %w", err)
		}
		defer f.Close()
		in = f
	}
	first := make([]byte, 512)
	n, err := io.ReadFull(in, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("--from: %w", err)
	}
	read := sweep.ReadCSV
	if text := bytes.TrimSpace(bytes.TrimPrefix(first[:n], sweep.Mark)); bytes.HasPrefix(text, []byte("[")) || bytes.HasPrefix(text, []byte("{")) { // no name of a parameter begins so
		read = sweep.ReadJSON
	}
	list, err := read(io.MultiReader(bytes.NewReader(first[:n]), in))
	switch {
	case errors.Is(err, sweep.ErrInvalid):
		return nil, sweepUsage("--from %s: %s", safe.Bounded(file), said(err.Error()))
	case err != nil:
		return nil, fmt.Errorf("--from: %w", err)
	case len(list) == 0:
		return nil, sweepUsage("--from %s: it has no settings", safe.Bounded(file))
	}
	return list, nil
}

// notUsed returns the parameters that have no placeholder in some words.
func notUsed(h sweep.Placeholder, words []string, names []string) []string {
	used := h.Uses(words, names)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return used[name] })
}

func sweepUsage(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), help: "qme sweep --help"}
}
