package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A tracedCase is a command that is run with a trace and without.
type tracedCase struct {
	what     string
	program  string // which is needed
	most     float64
	prepared string // shell line before each run, which is not measured
	line     string
	share    int // of the pairs that other commands get, in percent
}

// traceGroup measures what a trace costs the command.
func traceGroup(l *lab) ([]row, error) {
	dir := filepath.Join(l.root, "trace")
	sources, empty := 60, "rm -rf cache"
	imports := []string{"fmt", "go/types", "net/http", "text/template"}
	if l.opts.n == 1 { // the figures do not count, and a slow machine takes minutes for a build
		sources, imports, empty = 6, imports[:1], ""
	}
	if err := traceFiles(dir, sources, imports); err != nil {
		return nil, err
	}
	var rows []row
	for _, c := range []tracedCase{
		{fmt.Sprintf("a C build of %d files by make -j2", sources), "gcc", 1.15, "rm -f *.o all", "make -s -j2 all", 50},
		{"go build of a program of 300 packages, with an empty cache", "go", 1.15, empty, `GOCACHE=$PWD/cache GOFLAGS=-mod=mod CGO_ENABLED=0 go build -o program ./go`, 20},
		{"python3 importing its 300 modules", "python3", 1.25, "", "python3 modules.py", 100},
		{"400 x cat in a loop of the shell", "cat", 2.5, "", `i=0; while [ $i -lt 400 ]; do cat Makefile >/dev/null; i=$((i+1)); done`, 100},
		{"32 threads that open 1,000 files each", "go", 1.5, "", "./opens 32 many", 100},
	} {
		r, err := l.traced(dir, c)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, os.RemoveAll(dir)
}

// traced measures a command with a trace against the same without.
func (l *lab) traced(dir string, c tracedCase) (row, error) {
	what, goal := c.what+": with a trace, against without", fmt.Sprintf("at most %gx", c.most)
	if _, err := exec.LookPath(c.program); err != nil {
		return row{what: what, goal: goal, figure: c.program + " is not installed", verdict: skipped}, nil
	}
	if strings.HasPrefix(c.line, "./opens") {
		if _, err := l.text(dir, "go", "build", "-o", "opens", "opens.go"); err != nil {
			return row{}, err
		}
	}
	home, err := l.empty()
	if err != nil {
		return row{}, err
	}
	run := func(options ...string) step {
		argv := append(append([]string{l.qme, "--home", home, "run"}, options...), "sh", "-c", c.line)
		return func(int) (sample, error) {
			if c.prepared != "" {
				if _, err := l.text(dir, "sh", "-c", c.prepared); err != nil {
					return sample{}, err
				}
			}
			return l.measure(process{dir: dir, argv: argv})
		}
	}
	a, b, err := l.pairs(max(min(2, l.opts.n), l.opts.n*c.share/100), run("--trace"), run())
	return compare(what, a, b, c.most), err
}

// traceFiles makes what the commands use.
func traceFiles(dir string, sources int, imports []string) error {
	files := map[string]string{
		"Makefile": "SOURCES = $(wildcard f*.c)\nall: $(SOURCES:.c=.o)\n\tgcc -o all $^\n%.o: %.c common.h\n\tgcc -O1 -c -o $@ $<\n",
		"common.h": "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n#include <unistd.h>\n#include <sys/stat.h>\n#include <pthread.h>\n#include <errno.h>\n",
		"modules.py": `import importlib, sys
for name in sorted(sys.stdlib_module_names):
    if name not in ("antigravity", "this", "idlelib", "turtle", "turtledemo", "__main__"):
        try:
            importlib.import_module(name)
        except ImportError:
            pass
`,
		"go.mod":     "module traced\n\ngo 1.26\n",
		"go/main.go": "package main\n\nimport (\n\t_ \"" + strings.Join(imports, "\"\n\t_ \"") + "\"\n)\n\nfunc main() {}\n",
		"opens.go": `package main

import (
	"os"
	"strconv"
	"sync"
)

func main() {
	threads, _ := strconv.Atoi(os.Args[1])
	var all sync.WaitGroup
	for range threads {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 1000 {
				b, err := os.ReadFile(os.Args[2] + "/" + strconv.Itoa(i))
				if err != nil || len(b) == 0 {
					panic(err)
				}
			}
		}()
	}
	all.Wait()
}
`,
	}
	for i := range sources {
		files[fmt.Sprintf("f%d.c", i)] = fmt.Sprintf("#include \"common.h\"\nint f%d(int n) { char b[99]; snprintf(b, 99, \"%%d\", n); return strlen(b) + %d; }\n", i, i)
	}
	files["f0.c"] += "int main(void) { return f0(1) == 0; }\n"
	for i := range 1000 {
		files[fmt.Sprintf("many/%d", i)] = strings.Repeat("0123456789abcdef", 64)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
