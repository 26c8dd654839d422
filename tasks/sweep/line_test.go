package sweep_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"qme/tasks/sweep"
)

// hostile are values that a shell would take for something else.
var hostile = []string{"plain", "", "a b", "; echo no >broken", "$(echo no >broken)", "`echo no >broken`", "'", `"`, `\`, `a\`, "$HOME", "*", "~", "a'b\"c$d`e\\f", "# no", "-n",
	"!x", "END", "if", "A=1", "&& echo no >broken", "}", "${HOME}", "é ü", "1,000.5", "3e-4", "NaN", "|", ">broken", "))", "'; echo no >broken; '", `"; echo no >broken; "`}

// lines print the value, as the shell has got it, between brackets; a place where it cannot be put is refused.
var lines = []string{
	`printf '[%s]' {v}`,
	`printf '[%s]' "{v}"`,
	`printf '[%s]' '{v}'`,
	`printf '[%s]' 'x'{v} | sed 's/^\[x/[/'`,
	`printf '[%s]' "$(printf %s {v})"`,
	`printf '[%s]' "$(printf %s "{v}")"`,
	"x=`printf %s {v}`; printf '[%s]' \"$x\"",
	`x={v}; printf '[%s]' "$x"`,
	"x=$(cat <<END\nbegin {v}\nEND\n); printf '[%s]' \"${x#begin }\"",
	"x=$(cat <<'END'\nbegin {v}\nEND\n); printf '[%s]' \"${x#begin }\"",
	"cat <<END >/dev/null\n{v}\nEND\nprintf '[%s]' {v}",
	`case {v} in {v}) printf '[%s]' {v};; esac`,
	`if true; then printf '[%s]' {v}; fi # {v}`,
	`printf '[%s]' "$(({v} + 0))"`,
	`printf '[%s]' "${HOME:+{v}}"`,
	`f() { printf '[%s]' "$1"; }; f {v}`,
}

// checkLine runs a line with a value, and reports whether it could be made.
func checkLine(t *testing.T, dir, line, value string) bool {
	t.Helper()
	made, err := sweep.Braces.Line(line, map[string]string{"v": value})
	if errors.Is(err, sweep.ErrInvalid) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", made)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if want := "[" + value + "]"; err != nil || string(out) != want {
		t.Errorf("%s\nwith %q prints %q, %v; want %q", made, value, out, err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "broken")); err == nil {
		t.Fatalf("%s\nwith %q has run a part of the value", made, value)
	}
	return true
}

func TestLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := map[string]int{}
	for _, line := range lines {
		for _, value := range hostile {
			if checkLine(t, dir, line, value) {
				made[line]++
			}
		}
	}
	for i, line := range lines {
		most := len(hostile)
		switch i {
		case 6: // in backquotes only what needs no quotes
			most = 4
		case 10, 12: // as the end of the here-document; in a comment all is possible
			most--
		case 13, 14: // in arithmetic only numbers, and nothing within ${…}
			most = 0
		}
		if n := made[line]; n < most-1 || most == 0 && n > 0 {
			t.Errorf("%s: %d of %d values were possible", line, n, len(hostile))
		}
	}
	if !checkLine(t, dir, lines[13], "-17") {
		t.Error("a number is refused in arithmetic")
	}
	for _, line := range []string{"echo {v} )", "echo '{v}", "{v} <<A\nx"} {
		if made, err := sweep.Braces.Line(line, map[string]string{"v": "x"}); !errors.Is(err, sweep.ErrInvalid) {
			t.Errorf("%q: %q, %v", line, made, err)
		}
	}
	if line, err := sweep.Braces.Line("echo ) {w}", map[string]string{"v": "x"}); err != nil || line != "echo ) {w}" {
		t.Errorf("a line without a placeholder: %q, %v", line, err)
	}
}

// TestEvaluated has no text be put where a shell evaluates it once more, whatever quotes there are, or where a backslash is before it.
func TestEvaluated(t *testing.T) {
	t.Parallel()
	for line, number := range map[string]bool{
		"for ((i=0;i<{v};i++)); do echo; done": true, "[[ {v} -eq 1 ]]": true, "[[ 1 -lt {v} ]]": true, "(( {v} ))": true,
		"a[{v}]=1": false, "a=([{v}]=1)": false, "declare -i n={v}": false, "[[ -v {v} ]]": false, `[[ "{v}" -eq 1 ]]`: false,
		`printf %s \{v}`: false, `echo "\{v}"`: false, "cat <<A\n\\{v}\nA": false,
	} {
		for _, value := range []string{"$(id)", "x[$(id)]", "a'b c", ";id", "a"} {
			if made, err := sweep.Braces.Line(line, map[string]string{"v": value}); !errors.Is(err, sweep.ErrInvalid) {
				t.Errorf("%q: %q, %v", line, made, err)
			}
		}
		if made, err := sweep.Braces.Line(line, map[string]string{"v": "7"}); (err == nil) != number {
			t.Errorf("%q with a number: %q, %v", line, made, err)
		}
	}
	for line, want := range map[string]string{
		"echo [{v}] {a{v}c} {v}": "echo ['a-c'] {a'a-c'c} a-c", "declare n={v}": "declare n=a-c", "[[ {v} == a* ]]": "[[ a-c == a* ]]",
	} {
		if made, err := sweep.Braces.Line(line, map[string]string{"v": "a-c"}); err != nil || made != want {
			t.Errorf("%q: %q, %v", line, made, err)
		}
	}
}

// TestReadAgain has only what needs no quotes be put where a shell reads it once more.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	for line, possible := range map[string]bool{
		`eval "echo {v}"`: false, `eval echo {v}`: false, `command eval {v}`: false, `sh -c 'echo {v}'`: false, `bash -lc "echo {v}"`: false,
		`timeout 5 sh -c "echo {v}"`: false, `env X=1 sh -c "echo {v}"`: false, `find . -exec sh -c "echo {v}" \;`: false, `trap "echo {v}" EXIT`: false,
		`test -v {v}`: false, `printf -v {v} x`: false, `read -r {v}`: false, `ssh host "echo {v}"`: false, `x=$(eval "echo {v}")`: false,
		`sh -c 'echo "$1"' x {v}`: true, `sh run.sh {v}`: true, `echo eval {v}`: true, `printf %s {v}`: true, `test {v} = a`: true,
	} {
		for _, value := range []string{"$(id)", "x[$(id)]", "a'b c", ";id"} {
			if made, err := sweep.Braces.Line(line, map[string]string{"v": value}); (err == nil) != possible {
				t.Errorf("%q with %q: %q, %v", line, value, made, err)
			}
		}
		if made, err := sweep.Braces.Line(line, map[string]string{"v": "0.7"}); err != nil {
			t.Errorf("%q with a number: %q, %v", line, made, err)
		}
	}
}

// TestShellsWord has the line of sh -c be one also among several words.
func TestShellsWord(t *testing.T) {
	t.Parallel()
	values := map[string]string{"v": "; id"}
	for _, c := range []struct{ words, want []string }{
		{[]string{"sh", "-c", "echo {v}", "{v}"}, []string{"sh", "-c", "echo '; id'", "; id"}},
		{[]string{"/bin/bash", "-ec", "echo {v}"}, []string{"/bin/bash", "-ec", "echo '; id'"}},
		{[]string{"echo", "-c", "echo {v}"}, []string{"echo", "-c", "echo ; id"}},
		{[]string{"env", "A={v}", "nice", "-n", "5", "sh", "-c", "echo {v}"}, []string{"env", "A=; id", "nice", "-n", "5", "sh", "-c", "echo '; id'"}},
		{[]string{"timeout", "10s", "bash", "-lc", "echo {v}"}, []string{"timeout", "10s", "bash", "-lc", "echo '; id'"}},
		{[]string{"srun", "-n", "1", "grep", "sh", "-c", "{v}"}, []string{"srun", "-n", "1", "grep", "sh", "-c", "; id"}},
		{[]string{"env", "sh"}, []string{"env", "sh"}},
	} {
		if made, err := sweep.Braces.Fill(c.words, values); err != nil || !slices.Equal(made, c.want) {
			t.Errorf("%q: %q, %v", c.words, made, err)
		}
	}
}

func FuzzLine(f *testing.F) {
	for i, value := range hostile {
		f.Add(uint(i), value)
	}
	f.Fuzz(func(t *testing.T, i uint, value string) {
		if _, err := sweep.ParseAxis("v=" + value); err != nil || !utf8.ValidString(value) {
			return // such a value is refused before
		}
		checkLine(t, t.TempDir(), lines[i%uint(len(lines))], value)
	})
}
