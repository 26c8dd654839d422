package sweep_test

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"qme/executor"
	"qme/record"
	"qme/tasks/sweep"
)

func TestSetOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words []string
		set   string // NAME=VALUE, separated by blanks
		want  string // quoted, or what the error says
	}{
		{[]string{"train", "--lr", "0.1", "-n", "3"}, "lr=0.01", "train --lr 0.01 -n 3"},
		{[]string{"train", "--lr=0.1", "-n", "3"}, "lr=0.01 n=-4", "train --lr=0.01 -n -4"},
		{[]string{"train", "lr=0.1", "model=x"}, "lr=;$(rm)", "train 'lr=;$(rm)' model=x"},
		{[]string{"train", "--learning-rate", "-1e-3"}, "learning_rate=2", "train --learning-rate 2"},
		{[]string{"train", "-lr", "0.1"}, "lr=2", "train -lr 2"},
		{[]string{"make", "-j8", "-k", "all"}, "j=2", "make -j2 -k all"},
		{[]string{"train", "optimizer.lr=0.1", "+model=big", "--data.path", "x"}, "optimizer_lr=1 model=small data_path=y", "train optimizer.lr=1 +model=small --data.path y"},
		{[]string{"sh", "-c", "make -j8 && train opt/lr=2"}, "j=$N opt_lr=3", `sh -c 'make '\''-j$N'\'' && train opt/lr=3'`},
		{[]string{"train", "--note=lr=1", "lr=2"}, "note=lr=7 lr=3", "train --note=lr=7 lr=3"},
		{[]string{"lr=1", "--lr", "0.1"}, "lr=2", "lr=1 --lr 2"}, // the first word is the program
		{[]string{"train", "--empty=", "x"}, "empty=a", "train --empty=a x"},
		{[]string{"srun", "--", "train", "--lr", "0.1"}, "lr=2", "srun -- train --lr 2"},
		{[]string{"train", "--verbose", "--lr", "0.1"}, "verbose=1", "has no verbose that can be set; it can be one of lr: "},
		{[]string{"train", "--lr", "0.1", "lr=3", "--n=1"}, "lr=2", "has lr 2 times; it can be one of n: "},
		{[]string{"train"}, "lr=2", "has no lr that can be set: "},
		{[]string{"train", "0.1"}, "lr=2", "has no lr"},
		{[]string{"train", "---lr=3", "--9=1", "--id=3"}, "id=2", "has no id that can be set: "},
		{nil, "lr=2", "has no lr"},

		{[]string{"sh", "-c", "train --lr 0.1 | tee log"}, "lr=0.01", "sh -c 'train --lr 0.01 | tee log'"},
		{[]string{"bash", "-ec", "train --lr=0.1 && echo done", "name", "lr=3"}, "lr=a'b", `bash -ec 'train '\''--lr=a'\''\'\'''\''b'\'' && echo done' name lr=3`},
		{[]string{"sh", "-c", `x=$(train "lr=0.1") && echo "$x"`}, "lr=$HOME", `sh -c 'x=$(train '\''lr=$HOME'\'') && echo "$x"'`},
		{[]string{"sh", "-c", "if train --n '3'; then echo n; fi"}, "n=;rm", `sh -c 'if train --n '\'';rm'\''; then echo n; fi'`},
		{[]string{"sh", "-c", "train --a 1 --b 2\n"}, "b=x a=y", "sh -c 'train --a y --b x\n'"},
		{[]string{"sh", "-c", "train --lr $LR --n 3"}, "lr=1", "value of lr is made by the shell; it can be one of n: "},
		{[]string{"sh", "-c", "train --lr=$LR"}, "lr=1", "value of lr is made by the shell: "},
		{[]string{"sh", "-c", "train --lr {1,2}"}, "lr=1", "made by the shell"},
		{[]string{"sh", "-c", "train --lr *"}, "lr=1", "made by the shell"},
		{[]string{"sh", "-c", "x=`train --lr 1`"}, "lr=1", "made by the shell"},
		{[]string{"sh", "-c", `train --lr "$LR"`}, "lr=1", "made by the shell"},
		{[]string{"sh", "-c", `train --lr $'1'`}, "lr=1", "made by the shell"},
		{[]string{"sh", "-c", "train lr=1; eval lr=2"}, "lr=1", "lr 2 times"},
		{[]string{"sh", "-c", "lr=1 train"}, "lr=2", "has no lr"},
		{[]string{"sh", "-c", "train --lr 1 <<END\n--lr 2\nEND"}, "lr=3", "sh -c 'train --lr 3 <<END\n--lr 2\nEND'"},
		{[]string{"sh", "-c", "train --lr 1 )"}, "lr=3", "how the shell reads the line is not known"},
		{[]string{"sh", "run.sh", "--lr", "1"}, "lr=3", "sh run.sh --lr 3"},
	} {
		var values record.Params
		for one := range strings.SplitSeq(c.set, " ") {
			name, value, _ := strings.Cut(one, "=")
			values = append(values, record.Param{Name: name, Value: value})
		}
		before := slices.Clone(c.words)
		got, err := sweep.SetOptions(c.words, values)
		if text := executor.Quote(got); err == nil && text != c.want || err != nil && (!errors.Is(err, sweep.ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q with %s: %s, %v; want %s", c.words, c.set, text, err, c.want)
		}
		if !slices.Equal(before, c.words) {
			t.Errorf("%q is changed", before)
		}
	}
	if value, ok := sweep.Option([]string{"sh", "-c", "train --lr '0 1'"}, "lr"); value != "0 1" || !ok {
		t.Errorf("the value is %q, %v", value, ok)
	}
	if value, ok := sweep.Option([]string{"sh", "-c", "train --lr $x"}, "lr"); ok {
		t.Errorf("the value is %q", value)
	}
}

// optionLines print the value of v, as the command has got it, between brackets.
var optionLines = []string{
	`set_() { printf '[%s]' "$2"; }; set_ --v 0.1`,
	`set_() { printf '[%s]' "${1#--v=}"; }; set_ --v=0.1`,
	`set_() { printf '[%s]' "${1#v=}"; }; set_ "v=0 1" x`,
	`set_() { printf %s "$2"; }; printf '[%s]' "$(set_ -v '0 1'; printf .)" | sed 's/\.]$/]/'`,
	`set_() { printf '[%s]' "$2"; }; if true; then set_ --v 1 >&1; fi # --v 3`,
}

// TestSetOptionsRun has a shell take a value as it is.
func TestSetOptionsRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, line := range optionLines {
		for _, value := range hostile {
			words, err := sweep.SetOptions([]string{"sh", "-c", line}, record.Params{{Name: "v", Value: value}})
			if err != nil {
				t.Errorf("%s with %q: %v", line, value, err)
				continue
			}
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "["+value+"]" {
				t.Errorf("%s with %q: %q prints %q, %v", line, value, words[2], out, err)
			}
		}
	}
}

func FuzzSetOptions(f *testing.F) {
	for _, line := range append(slices.Clone(lines), optionLines...) {
		f.Add(line, "; rm -rf x")
	}
	f.Fuzz(func(t *testing.T, line, value string) {
		words, err := sweep.SetOptions([]string{"sh", "-c", line}, record.Params{{Name: "v", Value: value}})
		if err != nil {
			if !errors.Is(err, sweep.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if _, err := sweep.ParseAxis("v=" + strings.ReplaceAll(value, ",", "")); err != nil {
			return // such a value is refused before
		}
		if got, ok := sweep.Option(words, "v"); !ok || got != value {
			t.Fatalf("%q with %q is %q, in which the value is %q, %v", line, value, words[2], got, ok)
		}
	})
}
