package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// runGroup measures a run beside what it is compared with in an empty history.
func runGroup(l *lab) ([]row, error) {
	home, err := l.empty()
	if err != nil {
		return nil, err
	}
	commit, err := l.gitStep("empty-repository", 0)
	if err != nil {
		return nil, err
	}
	a, b, err := l.pairs(l.opts.n, l.qmeStep(home, "run", "true"), commit)
	if err != nil {
		return nil, err
	}
	c, d, err := l.pairs(l.opts.n, l.qmeStep(home, "run", "true"), func(int) (sample, error) {
		return l.measure(process{argv: []string{"true"}})
	})
	return []row{
		compare("qme run true, against git add + commit, both empty", a, b, 1.3),
		{what: "qme run true, against true alone", figure: fmt.Sprintf("%s against %s", c, d), verdict: noGoal},
	}, err
}

// gitStep returns a step that commits a changed file in a new repository whose
// work tree has so many files.
func (l *lab) gitStep(name string, files int) (step, error) {
	dir, err := l.gitRepository(name, files)
	return func(i int) (sample, error) {
		if err := os.WriteFile(filepath.Join(dir, "FILE"), fmt.Appendf(nil, "%d\n", i), 0o644); err != nil {
			return sample{}, err
		}
		return l.measure(process{dir: dir, argv: []string{"sh", "-c", "git add FILE && git commit -qm x"}})
	}, err
}

// gitRepository returns the folder of a new repository with so many files, all of
// them committed.
func (l *lab) gitRepository(name string, files int) (string, error) {
	dir := filepath.Join(l.root, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if _, err := l.text(dir, "git", "init", "-q"); err != nil {
		return "", err
	}
	for i := range files {
		sub := filepath.Join(dir, fmt.Sprintf("d%03d", i/1000))
		if i%1000 == 0 {
			if err := os.Mkdir(sub, 0o755); err != nil {
				return "", err
			}
		}
		if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(i)), []byte(strconv.Itoa(i)), 0o644); err != nil {
			return "", err
		}
	}
	if files > 0 {
		// As such a repository is in normal use: packed.
		if _, err := l.text(dir, "sh", "-c", "git add . && git -c gc.auto=0 commit -qm files && git gc -q"); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// dataladGroup measures a run beside datalad's.
func dataladGroup(l *lab) ([]row, error) {
	const what, most = "qme run true, against datalad run true, both empty", 0.1
	if _, err := exec.LookPath("datalad"); err != nil {
		return []row{{what: what, goal: fmt.Sprintf("at most %gx", most), figure: "datalad is not installed", verdict: skipped}}, nil
	}
	home, err := l.empty()
	if err != nil {
		return nil, err
	}
	if _, err := l.text("", "datalad", "create", filepath.Join(l.root, "dataset")); err != nil {
		return nil, err
	}
	a, b, err := l.pairs(l.opts.n, l.qmeStep(home, "run", "true"), func(int) (sample, error) {
		return l.measure(process{dir: filepath.Join(l.root, "dataset"), argv: []string{"datalad", "run", "true"}})
	})
	return []row{compare(what, a, b, most)}, err
}

// largeGroup measures a run in a large history.
func largeGroup(l *lab) ([]row, error) {
	large, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	home, err := l.empty()
	if err != nil {
		return nil, err
	}
	// Longer than the others: the goal is close to one.
	a, b, err := l.pairs(3*l.opts.n, l.qmeStep(large, "run", "true"), l.qmeStep(home, "run", "true"))
	if err != nil {
		return nil, err
	}
	l.logf("making a work tree of %d files …", l.opts.tasks)
	commit, err := l.gitStep("large-repository", l.opts.tasks)
	if err != nil {
		return nil, err
	}
	c, d, err := l.pairs(l.opts.n, l.qmeStep(large, "run", "true"), commit)
	if err != nil {
		return nil, err
	}
	inside, outside, err := l.pairs(l.opts.n, func(int) (sample, error) {
		return l.measure(process{dir: filepath.Join(l.root, "large-repository"), argv: []string{l.qme, "--home", home, "run", "true"}})
	}, l.qmeStep(home, "run", "true"))
	return []row{
		compare(fmt.Sprintf("qme run true at %d tasks, against an empty history", l.opts.tasks), a, b, 1.2),
		compare(fmt.Sprintf("qme run true at %d tasks, against git add + commit at as many files", l.opts.tasks), c, d, 0.1),
		{what: fmt.Sprintf("qme run true in a work tree of %d files, against outside", l.opts.tasks),
			figure: fmt.Sprintf("%s against %s", inside, outside), ratio: fmt.Sprintf("%.2fx", ratio(inside, outside)), verdict: noGoal},
	}, err
}
