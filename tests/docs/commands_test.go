package docs

import (
	"reflect"
	"testing"
)

func TestMentions(t *testing.T) {
	lines, err := readLines("p.md", page(
		"qme keeps records; `qme run CMD` and `qme ls`; not `qme` nor `qme --home DIR`",
		"## `qme re-run`",
		"'''console",
		"$ qme show x | qme none",
		"qme: not a command",
		"'''",
		"'''sh",
		"qme log",
		"echo qme here",
		"'''",
	))
	if err != nil {
		t.Fatal(err)
	}
	got := mentions(lines)
	want := []mention{{1, "run"}, {1, "ls"}, {2, "re-run"}, {4, "show"}, {8, "log"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mentions = %v, want %v", got, want)
	}
}

func TestHelpCommands(t *testing.T) {
	got := helpCommands(`NAME:
   qme - run commands and keep what happened

USAGE:
   qme [global options] [command [command options]]

COMMANDS:
   run, r     run a command
   ls         list tasks
   help, h    Shows a list of commands or help for one command

   SHARING:
     re-run

GLOBAL OPTIONS:
   --home DIR  the home
`)
	want := map[string]bool{"run": true, "r": true, "ls": true, "help": true, "h": true, "re-run": true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("commands = %v, want %v", got, want)
	}
}
