package queue

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"qme/internal/account"
	"qme/internal/program"
)

// Surroundings are what decides whether a worker outlives the session of the user who has started it.
type surroundings struct {
	// manager says that a systemd of the user can be asked for a scope.
	manager bool
	// linger says that it goes on after the user has logged out.
	linger bool
	// kills says that all processes of a session are killed when the user logs out.
	kills bool
}

// decide returns whether a worker is started in a scope of the user's systemd, otherwise in a new session; and whether the
// end of the user's last session ends it all the same.
//
// Without linger the user's systemd ends with the last session, and all its scopes with it. So a scope is of use only with linger,
// or where nothing else survives even the end of this session. In an allocation of a scheduler the worker must belong to that.
func (s surroundings) decide(here Place) (scope, ends bool) {
	if !s.manager || here.Slurm != "" || !s.linger && !s.kills {
		return false, false
	}
	return true, !s.linger
}

const (
	lingerFolder = "/var/lib/systemd/linger"
	askTime      = 2 * time.Second // for the question whether processes are killed
)

// lookAround finds out what there is.
func lookAround(ctx context.Context) surroundings {
	runtime := os.Getenv("XDG_RUNTIME_DIR")
	if _, err := os.Stat(filepath.Join(runtime, "systemd", "private")); runtime == "" || err != nil {
		return surroundings{}
	}
	if _, err := exec.LookPath("systemd-run"); err != nil {
		return surroundings{}
	}
	s := surroundings{manager: true}
	_, err := os.Stat(filepath.Join(lingerFolder, account.Login()))
	if s.linger = err == nil; !s.linger && os.Getuid() != 0 { // KillExcludeUsers has root
		s.kills = killsProcesses(ctx)
	}
	return s
}

// killsProcesses asks the login manager whether it kills the processes of a session that ends. If it does not answer it does not.
func killsProcesses(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out := &program.Buffer{Most: 1000}
	cmd := program.Command(ctx, "busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "KillUserProcesses")
	cmd.Stdout = out
	return cmd.Run() == nil && strings.TrimSpace(string(out.Bytes())) == "b true"
}

// inScope has a command be started in a scope of the user's systemd, or without one if that cannot be had.
func inScope(cmd *exec.Cmd) error {
	sh, err := exec.LookPath("sh")
	if err != nil {
		return err
	}
	argv := append([]string{"sh", "-c", `systemd-run --user --scope --quiet --collect -- "$@" || exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Args = sh, argv
	return nil
}

const toldFile = ".linger"

// sayOnce tells the user, once for each home, that logging out ends the queue.
func (q *Queue) sayOnce() {
	f, err := os.OpenFile(q.file(toldFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_ = f.Close() // nothing was written
	q.options.Say("Logging out ends what runs in the queue here; this keeps it: loginctl enable-linger")
}
