package cli

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"qme/cli/config"
	"qme/internal/regular"
)

// editedFile is the file that keeps an edited text with mistakes for the next --edit.
const editedFile = "config.toml.edited"

// editConfig opens the settings in an editor. The settings file is replaced as a whole if
// the saved text is valid. An invalid text is kept in editedFile.
func (cmd *configCommand) editConfig(home string) error {
	fsys, path := regular.NewFS(), filepath.Join(home, editedFile)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	before, err := config.Text(fsys, home)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		cmd.term.note("This is what you have edited before, with mistakes: %s", path)
	} else if err := os.WriteFile(path, before, 0o600); err != nil {
		return err
	}
	if err := cmd.term.editor(path); err != nil {
		return fmt.Errorf("%w; the settings are as they were", err)
	}
	after, err := regular.ReadHere(path)
	if err != nil {
		return err
	}
	if err := config.Replace(fsys, home, before, after); err != nil {
		return settingError(fmt.Errorf("%w\nThe settings are as they were; \"qme config --edit\" goes on with what you have saved", err))
	}
	return os.Remove(path)
}

// editor runs the user's editor on a file, chosen as git does.
func (t *terminal) editor(path string) error {
	program := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
	if name := missingProgram(program); name != "" {
		return &usageError{msg: fmt.Sprintf("there is no editor %q: set VISUAL or EDITOR to one", name), help: "qme config --help"}
	}
	cmd := exec.Command("sh", "-c", program+` "$@"`, "sh", path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.in, t.out, t.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the editor %q: %w", program, err)
	}
	return nil
}
