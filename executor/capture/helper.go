package capture

import (
	"os"
	"strconv"
	"strings"
)

// The names under which this program restarts itself. No shell uses a program name with a
// space by accident.
const (
	monitorName = "qme: terminal"
	relayName   = "qme: relay"
	guardName   = "qme: guard"
	stageName   = "qme: stage"
)

// Helper runs one of the roles for which Run restarts this program, and then does not
// return; in other processes it does nothing. A program that uses Run must call it first
// in main, and in TestMain. enter is called in the process of a command that has Spec.Stage, with
// that descriptor; nil if no command has one.
func Helper(enter func(fd int) error) {
	role, rest, _ := strings.Cut(os.Args[0], ",")
	switch role {
	case monitorName:
		os.Exit(monitorMain(numbers(rest), os.Args[1:]))
	case relayName:
		os.Exit(relayMain(numbers(rest)))
	case guardName:
		os.Exit(guardMain())
	case stageName:
		os.Exit(stageMain(numbers(rest), os.Args[1:], enter))
	}
}

// canStartAgain reports whether the file of this program can be found, which may fail
// without /proc.
func canStartAgain() bool {
	_, err := self()
	return err == nil
}

// helperName returns the name of a role with its numeric arguments.
func helperName(role string, numbers ...int) string {
	for _, n := range numbers {
		role += "," + strconv.Itoa(n)
	}
	return role
}

// numbers is the inverse of helperName. It returns nil for an invalid name, and the role
// then ends with an error.
func numbers(s string) []int {
	var ns []int
	for _, f := range strings.Split(s, ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil
		}
		ns = append(ns, n)
	}
	return ns
}
