package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is the search path if the environment has no PATH, as in glibc.
const defaultPath = "/bin:/usr/bin"

// A startError is the reason why a command could not be started, with the exit code of
// shells for it.
type startError struct {
	Code int    `json:"code"`
	Text string `json:"text"`
}

// codeOwn is the code for failures of qme or the system, after which the same command can
// be retried.
const codeOwn = 125

// Error implements error.
func (e *startError) Error() string { return e.Text }

// scarce are errors of fork(2) and preceding calls that mean that the system or a limit
// leaves no resources for a process.
var scarce = []syscall.Errno{unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE}

// launch starts a command with start, which gets the path of a file to execute and
// returns the pid or the error of execve(2), a syscall.Errno. It finds the file like
// execvp(3) and shells, and runs a script without "#!" with sh. Relative paths are
// relative to dir, the working directory of the command.
func launch(argv, env []string, dir string, start func(path string, argv []string) (int, error)) (int, *startError) {
	if strings.Contains(argv[0], "/") {
		pid, err := execute(argv[0], argv, dir, start)
		if err != nil {
			why := explain(argv[0], inDir(dir, argv[0]), err)
			if why.Code == 127 {
				why.Text += ofOneWord(argv)
			}
			return 0, why
		}
		return pid, nil
	}
	denied := ""
	for _, folder := range filepath.SplitList(lookupPath(env)) {
		path := folder + "/" + argv[0]
		if folder == "" {
			path = "./" + argv[0]
		}
		if ok, refused := executable(inDir(dir, path)); !ok {
			if refused && denied == "" {
				denied = path
			}
			continue
		}
		pid, err := execute(path, argv, dir, start)
		switch {
		case err == nil:
			return pid, nil
		case errors.Is(err, unix.EACCES):
			denied = path
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
			return 0, explain(path, inDir(dir, path), err)
		}
	}
	if denied != "" {
		return 0, explain(denied, inDir(dir, denied), unix.EACCES)
	}
	return 0, &startError{Code: 127, Text: argv[0] + ": command not found" + ofTheShell(argv[0]) + ofOneWord(argv)}
}

// Missing returns why the program of a command could not be started now, by its name and the PATH of env, in the words with which
// its start would fail; "" if it could, as far as can be told without a start.
func Missing(argv, env []string, dir string) string {
	_, err := launch(argv, env, dir, func(path string, _ []string) (int, error) {
		if ok, _ := executable(inDir(dir, path)); ok {
			return 0, nil
		}
		if _, err := os.Stat(inDir(dir, path)); errors.Is(err, fs.ErrNotExist) {
			return 0, unix.ENOENT
		}
		return 0, unix.EACCES // or a folder, see explain
	})
	if err == nil {
		return ""
	}
	return err.Text
}

// builtins are words of shells that are usually not programs.
var builtins = strings.Fields(`. : alias bg bind break builtin case cd command continue declare dirs disown eval exec
	exit export fc fg for function getopts hash help history if jobs let local logout popd pushd read readonly
	return select set setopt shift shopt source suspend times trap type typeset ulimit umask unalias unset until
	unsetopt wait while [[ (( { !`)

// ofTheShell returns advice about a word that has a meaning only in a shell, "" for other
// words.
func ofTheShell(word string) string {
	name, _, assigns := strings.Cut(word, "=")
	switch {
	case assigns && isName(name):
		return "; a variable before a command is for the shell: qme run env " + name + "=VALUE CMD"
	case slices.Contains(builtins, word):
		return "; it is the shell's own: have one run the line, as in qme run 'cd /tmp && CMD'"
	}
	return ""
}

// ofOneWord returns advice if the first word is probably a program with some of its
// arguments, else "".
func ofOneWord(argv []string) string {
	if len(argv) < 2 || len(strings.Fields(argv[0])) < 2 {
		return ""
	}
	return "; a word with blanks that others follow is the name of a program: leave out its quotes, or put them around the whole line"
}

// isName reports whether a word can be the name of a variable.
func isName(word string) bool {
	for i, c := range word {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return word != ""
}

// lookupPath returns the PATH of env, the first of several, as getenv(3) does.
func lookupPath(env []string) string {
	for _, s := range env {
		if path, ok := strings.CutPrefix(s, "PATH="); ok {
			if path == "" {
				return "." // one empty name, which SplitList would drop
			}
			return path
		}
	}
	return defaultPath
}

func inDir(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// executable reports whether the file can be executed, and otherwise whether it exists
// but must not be. This saves a fork for each folder of PATH.
func executable(path string) (ok, refused bool) {
	st, err := os.Stat(path)
	if err != nil {
		return false, errors.Is(err, os.ErrPermission)
	}
	if st.IsDir() {
		return false, false
	}
	if unix.Access(path, unix.X_OK) != nil {
		return false, true
	}
	return true, false
}

// execute starts path. If the kernel does not know its format and it looks like text, it
// is run with sh.
func execute(path string, argv []string, dir string, start func(string, []string) (int, error)) (int, error) {
	pid, err := start(path, argv)
	if !errors.Is(err, unix.ENOEXEC) || isBinary(inDir(dir, path)) {
		return pid, err
	}
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return start("/bin/sh", append([]string{"sh", path}, argv[1:]...))
}

// isBinary reports whether the first line contains a NUL byte, as bash does.
func isBinary(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false // sh will report the error
	}
	defer f.Close()
	head := make([]byte, 128)
	n, _ := f.Read(head) // an empty file is not binary
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	return bytes.IndexByte(line, 0) >= 0
}

// explain converts an error of execve(2) to the message and exit code of a shell.
func explain(name, path string, err error) *startError {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return &startError{Code: 126, Text: name + ": " + err.Error()}
	}
	if errno == unix.EACCES {
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			errno = unix.EISDIR
		}
	}
	e := &startError{Code: 126, Text: name + ": " + errnoText(errno)}
	switch {
	case errno == unix.ENOENT || errno == unix.ENOTDIR:
		e.Code = 127
	case slices.Contains(scarce, errno):
		return &startError{Code: codeOwn, Text: fmt.Sprintf("no process can be started: %s; see the limits of descriptors, processes and memory (ulimit -a)", errnoText(errno))}
	}
	return e
}

// errnoText is like strerror(3); the texts of Go begin with a lower case letter.
func errnoText(errno syscall.Errno) string {
	s := errno.Error()
	return strings.ToUpper(s[:1]) + s[1:]
}
