package options_test

import (
	"strings"
	"testing"

	"qme/record"
	"qme/tasks/options"
)

func TestOf(t *testing.T) {
	for command, want := range map[string]string{
		"python train.py --lr=3e-4 --seed 1":                "lr=3e-4 seed=1",
		"python train.py --lr 3e-4 -n 5 --verbose":          "lr=3e-4 n=5 verbose=true",
		"train --verbose --lr 0.1":                          "verbose=true lr=0.1",
		"train optimizer.lr=0.1 +model=big seed=3":          "optimizer_lr=0.1 model=big seed=3",
		"LR=0.1 python train.py":                            "LR=0.1",
		"train --batch-size 32 --shift -0.5 -x -3":          "batch_size=32 shift=-0.5 x=-3",
		"make -j8 all":                                      "j=8",
		"train --in a --in b":                               "in=a,b",
		"train --name= --empty ''":                          "name= empty=",
		"train -- --lr 1":                                   "",
		"train 5 -5 file":                                   "",
		"train --text 'a b' --more \"c d\" --x=a\\ b":       "text=a b more=c d x=a b",
		"cd run && python t.py --lr 0.1 | tee --append log": "lr=0.1 append=log",
		"python t.py --lr \"$LR\" > out.txt":                "lr=\"$LR\"",
		"x=3; echo --n 5":                                   "n=5",
		"echo $(train --lr 3)":                              "",
		"broken 'quote --lr 1":                              "",
		"sh -c 'train --lr 1 && x --n 2'":                   "lr=1 n=2",
		"bash train.sh -c 5":                                "c=5",
		"train --key [masked:TOKEN]":                        "key=[masked:TOKEN]",
		"train https://x.org/?a=b":                          "",
		"train -":                                           "",
		"":                                                  "",
		"train --" + strings.Repeat("n", 70) + " 1":         "",
	} {
		var got []string
		for _, p := range options.Of(command) {
			if err := record.CheckParamName(p.Name); err != nil {
				t.Error(err)
			}
			got = append(got, p.Name+"="+p.Value)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", command, strings.Join(got, " "), want)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("a --b c=d 'e' \"$f\" -g8")
	f.Fuzz(func(t *testing.T, command string) {
		for _, p := range options.Of(command) {
			if record.CheckParamName(p.Name) != nil || len(p.Value) > record.LongestValue {
				t.Errorf("%q: %v", command, p)
			}
		}
	})
}
