package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/internal/account"
	"qme/internal/regular"
	"qme/internal/wholefile"
)

// enable starts the worker, if something waits, and has it started with the machine.
func (cmd *queueCommand) enable(ctx context.Context, _ *cli.Command, o *queueOptions, _ []string) error {
	all, err := cmd.open(ctx)
	if err != nil {
		return err
	}
	if o.install {
		if err := cmd.install(all.Service.Home); err != nil {
			return err
		}
	}
	if err := cmd.home.writable(); err != nil { // nor could the worker write
		return err
	}
	p, err := all.Reasons(ctx)
	if err == nil {
		err = all.Revive(ctx, p)
	}
	if err != nil {
		return err
	}
	switch n := count(len(p.Waiting), "task"); {
	case len(p.Waiting) == 0:
		cmd.term.note("No task waits in the queue. %q starts the worker by itself.", "qme add")
	case p.AnyStarts():
		cmd.term.note("%s in the queue, of which the worker starts those that can start.", n)
	default:
		cmd.term.note("%s in the queue, and none starts without you: %q says why.", n, cmd.term.line("queue"))
	}
	return nil
}

// install writes a unit for the systemd of the user, and says how it is enabled.
func (cmd *queueCommand) install(home string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Join(account.Home(), ".config", "systemd", "user")
	if xdg := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(xdg) {
		dir = filepath.Join(xdg, "systemd", "user")
	}
	name := unitName(home)
	path := filepath.Join(dir, name)
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = wholefile.ReplaceFlushed(regular.NewFS(), path, []byte(unit(program, home)))
	}
	if err != nil {
		return fmt.Errorf("the unit for systemd is not written: %w; %q starts the worker without one", err, cmd.term.line("queue", "enable"))
	}
	cmd.term.note("Wrote %s. These lines have it start with the machine:", path)
	_, err = fmt.Fprintf(cmd.term.out, "systemctl --user daemon-reload\nsystemctl --user enable %s\nloginctl enable-linger\n", name)
	return err
}

// unitName returns the name of the unit for a home: there may be several.
func unitName(home string) string {
	if home == filepath.Join(account.Home(), ".qme") {
		return "qme-queue.service"
	}
	sum := sha256.Sum256([]byte(home))
	return "qme-queue-" + hex.EncodeToString(sum[:4]) + ".service"
}

// unit returns a unit that starts the worker. The worker ends by itself when nothing waits; stopping the unit leaves what
// runs alone.
func unit(program, home string) string {
	return fmt.Sprintf(`[Unit]
Description=QueueMe: start what waits in the queue of %s

[Service]
ExecStart=%s --home %s queue work
KillMode=process

[Install]
WantedBy=default.target
`, strings.ReplaceAll(oneLine(home), "%", "%%"), unitWord(program), unitWord(home))
}

// unitWord quotes a word of a command line in a unit.
func unitWord(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`).Replace(word) + `"`
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }
