package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"qme/provenance"
)

// factsOff are the settings without which a run records what it did before there were facts. The
// check whether a working tree is dirty is older, so run.git stays.
var factsOff = [][2]string{
	{"run.files", "false"}, {"run.hash", "0"}, {"run.software", "false"}, {"run.patch", "0"}, {"run.stdin_hash", "false"}, {"run.usage", "0"},
}

// facts are two homes of the same program: one with the defaults, one with all facts turned off.
type facts struct {
	*lab
	on, off string
}

// factsGroup measures what it costs to record facts.
func factsGroup(l *lab) ([]row, error) {
	f := &facts{lab: l}
	var err error
	if f.on, err = l.empty(); err != nil {
		return nil, err
	}
	if f.off, err = f.homeWith(factsOff...); err != nil {
		return nil, err
	}
	var rows []row
	for _, part := range []func() ([]row, error){f.trees, f.conda, f.largeInput, f.hashes, f.masking, f.sampling, f.list} {
		got, err := part()
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// homeWith returns a home with settings.
func (l *lab) homeWith(settings ...[2]string) (string, error) {
	home, err := l.empty()
	for _, s := range settings {
		if err == nil {
			_, err = l.text("", l.qme, "--home", home, "config", s[0], s[1])
		}
	}
	return home, err
}

// against measures a run with facts against one without.
func (f *facts) against(what string, p process, most float64, command ...string) (row, error) {
	in := func(home string) step {
		p.argv = append([]string{f.qme, "--home", home, "run"}, command...)
		one := p
		return func(int) (sample, error) { return f.measure(one) }
	}
	// As often as in a large history: the goals are close to one.
	a, b, err := f.pairs(3*f.opts.n, in(f.on), in(f.off))
	r := compare(what+": with facts, against without", a, b, most)
	r.figure += fmt.Sprintf("; of processor time %s against %s", short(a.processor()), short(b.processor()))
	return r, err
}

// trees measures runs outside and inside of a repository.
func (f *facts) trees() ([]row, error) {
	const files = 1000
	dir, err := f.gitRepository("facts-repository", files)
	if err != nil {
		return nil, err
	}
	outside, err := f.against("qme run true outside a repository", process{}, 1.05, "true")
	if err != nil {
		return nil, err
	}
	clean, err := f.against(fmt.Sprintf("the same in a clean one of %d files", files), process{dir: dir}, 1.10, "true")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"d000/7", "untracked"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("other\n"), 0o644); err != nil {
			return nil, err
		}
	}
	dirty, err := f.against("the same in a dirty one: a changed and an untracked file", process{dir: dir}, 1.6, "true")
	return []row{outside, clean, dirty}, err
}

// conda measures a run with an active environment, whose packages are known from the run before.
func (f *facts) conda() ([]row, error) {
	const packages = 400
	env := filepath.Join(f.root, "conda")
	meta := filepath.Join(env, "conda-meta")
	if err := os.MkdirAll(meta, 0o755); err != nil {
		return nil, err
	}
	for i := range packages {
		name := fmt.Sprintf("package-%d-1.%d.0-py311h%07x_0.json", i, i%7, i*7919)
		if err := os.WriteFile(filepath.Join(meta, name), []byte("{}\n"), 0o644); err != nil {
			return nil, err
		}
	}
	r, err := f.against(fmt.Sprintf("qme run true with a conda environment of %d packages, warm", packages), process{env: []string{"CONDA_PREFIX=" + env}}, 1.15, "true")
	return []row{r}, err
}

// largeInput measures a run that names a file which takes long to hash. Its blocks are on the disk,
// although nothing was written to them: a file without blocks would not be opened.
func (f *facts) largeInput() ([]row, error) {
	const most = 1.1
	what, goal := fmt.Sprintf("qme run head -c 1 FILE, with a FILE of %d MiB", 10*f.opts.mib), fmt.Sprintf("at most %gx", most)
	file := filepath.Join(f.root, "large-input")
	size := int64(10*f.opts.mib) << 20
	if why := f.allocate(file, size); why != "" {
		return []row{{what: what, goal: goal, figure: why, verdict: skipped}}, os.RemoveAll(file)
	}
	r, err := f.against(what, process{}, most, "head", "-c", "1", file)
	return []row{r}, errors.Join(err, os.Remove(file))
}

// allocate makes a file of zeros that takes its place on the disk. It returns why it cannot.
func (f *facts) allocate(file string, size int64) (why string) {
	if !f.room(size) {
		return fmt.Sprintf("the disk has no room for %d MiB (a smaller -mib needs less)", size>>20)
	}
	if _, err := exec.LookPath("fallocate"); err != nil {
		return "fallocate is not installed"
	}
	if _, err := f.text("", "fallocate", "-l", fmt.Sprint(size), file); err != nil {
		return "the file system cannot allocate it: " + strings.TrimSpace(err.Error())
	}
	return ""
}

// room reports whether the disk has room for a file, with as much again for others.
func (f *facts) room(size int64) bool {
	var fs unix.Statfs_t
	return unix.Statfs(f.root, &fs) == nil && int64(fs.Bavail)*int64(fs.Bsize) > 2*size
}

// hashes measures qme's hashing of files, without the limits of a run, beside that of sha256sum.
func (f *facts) hashes() ([]row, error) {
	const files, least = 4, 0.8
	size := int64(f.opts.mib) << 20 / 2
	what, goal := fmt.Sprintf("hashing %d files of %d MiB, against sha256sum in two processes", files, size>>20), fmt.Sprintf("at least %gx as fast", least)
	if !f.room(files * size) {
		return []row{{what: what, goal: goal, figure: "the disk has no room for the files", verdict: skipped}}, nil
	}
	var names []string
	for i := range files {
		names = append(names, filepath.Join(f.root, fmt.Sprintf("hashed-%d", i)))
		if err := writeText(names[i], size); err != nil {
			return nil, err
		}
	}
	a, b, err := f.pairs(max(3, f.opts.n/4), func(int) (sample, error) { return hashed(names) }, func(int) (sample, error) {
		return f.measure(process{argv: append([]string{"sh", "-c", `sha256sum "$1" "$2" & sha256sum "$3" "$4" & wait`, "sh"}, names...)})
	})
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	speed := 1 / ratio(a, b)
	return []row{{what: what, goal: goal, figure: fmt.Sprintf("%s against %s", a, b), ratio: fmt.Sprintf("%.2fx", speed), verdict: judge(speed >= least)}}, err
}

// hashed hashes files as a run does whose command takes long, in this process.
func hashed(names []string) (sample, error) {
	const all = 1 << 60
	begin := time.Now()
	w := provenance.Begin(provenance.Command{Dir: filepath.Dir(names[0]), Argv: append([]string{"true"}, names...)}, provenance.Limits{File: all, Run: all, Wait: time.Hour})
	w.Hash()
	files := w.End()
	took := time.Since(begin)
	if files == nil || len(files.In) != len(names) {
		return sample{}, fmt.Errorf("%d files were to be hashed: %+v", len(names), files)
	}
	for _, one := range files.In {
		if one.SHA256 == "" || one.Partial {
			return sample{}, fmt.Errorf("%s was not hashed", one.Path)
		}
	}
	return sample{took: took}, nil
}

// masking measures large output with secrets in the environment, none of which is in it.
func (f *facts) masking() ([]row, error) {
	const most = 1.3
	mib := max(1, f.opts.mib/2)
	file := filepath.Join(f.root, "masked")
	if err := writeText(file, int64(mib)<<20); err != nil {
		return nil, err
	}
	secrets := []string{"GITHUB_TOKEN=ghp_16C7e42F292c6912E7710c838347Ae178B4a", "DB_PASSWORD=value of a step", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	in := func(home string, env ...string) step {
		return func(int) (sample, error) {
			return f.measure(process{env: env, argv: []string{f.qme, "--home", home, "run", "cat", file}})
		}
	}
	a, b, err := f.pairs(max(3, f.opts.n/4), in(f.off, secrets...), in(f.off))
	return []row{compare(fmt.Sprintf("%d MiB of output with %d secrets in the environment, against none", mib, len(secrets)), a, b, most)}, errors.Join(err, os.Remove(file))
}

// list measures what the files of a rerun take in a packed history.
func (f *facts) list() ([]row, error) {
	const files, most = 1000, 600
	reruns := int64(max(2, f.opts.n))
	dir := filepath.Join(f.root, "listed")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	command := []string{"true"}
	for i := range files {
		name := fmt.Sprintf("sub-%04d.txt", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			return nil, err
		}
		command = append(command, name)
	}
	each := func(settings ...[2]string) (int64, error) {
		home, err := f.homeWith(settings...)
		if err != nil {
			return 0, err
		}
		one, err := f.packedSize(home, dir, slices.Concat([]string{"run"}, command), 1)
		if err != nil {
			return 0, err
		}
		all, err := f.packedSize(home, dir, []string{"rerun"}, reruns)
		return (all - one) / reruns, err
	}
	with, err := each()
	if err != nil {
		return nil, err
	}
	without, err := each([2]string{"run.files", "false"})
	return []row{{
		what: fmt.Sprintf("a rerun with %d listed files, packed, against one with none", files), goal: fmt.Sprintf("at most %d bytes more", most),
		figure: fmt.Sprintf("%d bytes against %d", with, without), verdict: judge(with-without <= most),
	}}, err
}

// packedSize runs qme some times and returns the size of the packed history.
func (f *facts) packedSize(home, dir string, args []string, times int64) (int64, error) {
	for range times {
		if _, err := f.text(dir, append([]string{f.qme, "--home", home}, args...)...); err != nil {
			return 0, err
		}
	}
	if _, err := f.text("", f.qme, "--home", home, "gc"); err != nil {
		return 0, err
	}
	return packs(home)
}
