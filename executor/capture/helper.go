package capture

import (
	"os"
	"strconv"
	"strings"
)

// The names under which this program is started again. No shell starts a program
// under a name with a space by chance.
const (
	monitorName = "qme: terminal"
	relayName   = "qme: relay"
)

// Helper runs one of the two roles for which Run starts this program again, and then
// does not return; in any other process it does nothing. A program that uses Run
// calls it first in main, and in TestMain.
func Helper() {
	role, rest, _ := strings.Cut(os.Args[0], ",")
	switch role {
	case monitorName:
		os.Exit(monitorMain(numbers(rest), os.Args[1:]))
	case relayName:
		os.Exit(relayMain(numbers(rest)))
	}
}

// canStartAgain says whether this program is to be found, as it is not without /proc.
func canStartAgain() bool {
	_, err := self()
	return err == nil
}

// helperName is the name under which a role is started, with numbers that it needs.
func helperName(role string, numbers ...int) string {
	for _, n := range numbers {
		role += "," + strconv.Itoa(n)
	}
	return role
}

// numbers is the inverse of helperName. A name that is not of it gives none, and the
// role then ends with an error.
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
