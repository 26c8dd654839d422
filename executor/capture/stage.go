package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A stage is the process of a command before it executes the command's program. This program, in
// that role, calls the function that was given to Helper, which can change what the kernel does for
// the process and what it starts. Then the stage looks for the program as launch does, and becomes
// it: the process number, the group and the terminal are those of the command.

// start starts a command, in a stage if the descriptor is not negative. attr has the first three
// descriptors, and no more.
func start(argv []string, dir string, attr *syscall.ProcAttr, stage int) (int, *startError) {
	if stage >= 0 {
		return startStage(argv, attr, stage)
	}
	return launch(argv, attr.Env, dir, func(path string, argv []string) (int, error) {
		return syscall.ForkExec(path, argv, attr)
	})
}

// startStage starts a stage and waits until it has become the command, or could not. If no stage can be
// started, the command is started without.
func startStage(argv []string, attr *syscall.ProcAttr, stage int) (int, *startError) {
	program, err := self()
	if err != nil {
		return start(argv, attr.Dir, attr, -1)
	}
	r, w, err := pipe()
	if err != nil {
		return start(argv, attr.Dir, attr, -1) // which needs fewer descriptors
	}
	defer unix.Close(r)
	staged := *attr
	files, at := placeFiles([3]int{int(attr.Files[0]), int(attr.Files[1]), int(attr.Files[2])}, w, stage)
	staged.Files = files
	pid, err := syscall.ForkExec(program, append([]string{helperName(stageName, at...)}, argv...), &staged)
	unix.Close(w)
	if err != nil {
		return start(argv, attr.Dir, attr, -1) // which may be possible, or tells it of the command
	}
	refused := &startError{}
	switch err := json.NewDecoder(fdReader(r)).Decode(refused); {
	case errors.Is(err, io.EOF): // closed by exec
		return pid, nil
	case err != nil:
		refused = &startError{Code: codeOwn, Text: fmt.Sprintf("%s: the process that starts it has failed: %v", argv[0], err)}
	}
	_, _ = syscall.Wait4(pid, nil, 0, nil) // it has said how it ends
	return 0, refused
}

// A fdReader reads from a descriptor.
type fdReader int

// Read implements io.Reader.
func (fd fdReader) Read(b []byte) (int, error) {
	n, err := readFD(int(fd), b)
	if err == nil && n == 0 {
		return 0, io.EOF
	}
	return max(n, 0), err
}

// stageMain runs a stage: args are the descriptors for a refusal and for enter.
func stageMain(args []int, argv []string, enter func(fd int) error) int {
	if len(args) != 2 || len(argv) == 0 || enter == nil {
		return 2
	}
	runtime.LockOSThread() // what enter changes may hold for one thread
	inherit()
	unix.CloseOnExec(args[0])
	unix.CloseOnExec(args[1])
	_ = enter(args[1]) // the caller of Run has learned it
	env := os.Environ()
	_, refused := launch(argv, env, "", func(path string, argv []string) (int, error) {
		return 0, syscall.Exec(path, argv, env)
	})
	b, err := json.Marshal(refused)
	if err == nil {
		err = writeAll(args[0], b)
	}
	if err != nil {
		return 1
	}
	return 0
}
