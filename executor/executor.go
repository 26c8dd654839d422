// Package executor recognises commands: which executor takes one, what is
// executed for it, and how it reads as one line.
package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"qme/record"
)

// A Command is what a user wants to run, recognised.
type Command struct {
	Executor string   // the executor's name, which begins the task's id
	Argv     []string // what is executed
	Line     string   // one line that a POSIX shell reads as the same words
}

// Shell is the executor that takes whatever no other recognises.
const Shell = "shell"

// Recognise says how the words of a command are run. One word alone that a shell
// would not read as the name of a program, because it has spaces or shell
// syntax in it, is a command line for shell (such as "sh"), unless there is a
// program of exactly that name. The error wraps record.ErrInvalid when there is
// no command.
func Recognise(words []string, shell string) (Command, error) {
	if len(words) == 0 || len(words) == 1 && strings.TrimSpace(words[0]) == "" {
		return Command{}, fmt.Errorf("there is no command to run: %w", record.ErrInvalid)
	}
	if len(words) == 1 && isCommandLine(words[0]) && !isProgram(words[0]) {
		return Command{Executor: Shell, Argv: []string{shell, "-c", words[0]}, Line: words[0]}, nil
	}
	return Command{Executor: Shell, Argv: words, Line: Quote(words)}, nil
}

// syntax are the characters that mean something to a POSIX shell (POSIX.1-2017,
// XCU 2.2), "=" of an assignment, and white space.
const syntax = "|&;<>()$`\\\"'*?[]#~=%!{} \t\n"

func isCommandLine(word string) bool { return strings.ContainsAny(word, syntax) }

func isProgram(path string) bool {
	if !strings.Contains(path, string(filepath.Separator)) {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Quote joins words to a line that a POSIX shell splits into the same words.
func Quote(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// plain are the characters that never need quotes, beside letters and digits.
const plain = "-_./:,+@=%^"

func quote(word string) string {
	safe := word != "" && word[0] != '='
	for _, c := range []byte(word) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c < 0x80 && !strings.ContainsRune(plain, rune(c)) {
			safe = false
		}
	}
	if safe {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
