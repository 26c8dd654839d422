package dashboard

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/afero"

	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

// KeyFile is the name of the file in a home that holds the key.
const KeyFile = "dashboard.key"

// MinKey is how many characters a key has at least.
const MinKey = 32

// NewKey makes a key of 256 random bits.
func NewKey() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// CheckKey says whether text can be a key. The error wraps record.ErrInvalid and does
// not quote it.
func CheckKey(text string) error {
	if len(text) < MinKey {
		return fmt.Errorf("%w key: it has %d characters, and needs %d; \"qme generate-key\" makes one", record.ErrInvalid, len(text), MinKey)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }) {
		return fmt.Errorf("%w key: it holds characters that cannot stand in a header", record.ErrInvalid)
	}
	return nil
}

// LoadKey returns the key of the home in the folder dir, which it makes where there is
// none. Of several processes that make one at a time all return the same. The error wraps record.ErrInvalid where the file holds none, and record.ErrConflict
// where others can read it.
func LoadKey(dir string) (string, error) {
	file := filepath.Join(dir, KeyFile)
	b, err := regular.ReadHere(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createPrivate(file, []byte(NewKey()+"\n")); err == nil || errors.Is(err, fs.ErrExist) {
			b, err = regular.ReadHere(file)
		}
	}
	if err != nil {
		return "", err
	}
	if err := private(file); err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(b))
	if err := CheckKey(key); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// private refuses a file that others can read or write.
func private(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %o), so what it holds may be known: remove it, and a new one is made: %w", file, info.Mode().Perm(), record.ErrConflict)
	}
	return nil
}

// SaveKey makes key that of the home in the folder dir, all of it or not at all.
func SaveKey(dir, key string) (string, error) {
	return key, replacePrivate(filepath.Join(dir, KeyFile), []byte(key+"\n"))
}

// createPrivate makes a file that only its owner can read; see wholefile.Create.
func createPrivate(file string, content []byte) error {
	return writePrivate(file, content, wholefile.Create)
}

// replacePrivate puts such a file in the place of another.
func replacePrivate(file string, content []byte) error {
	return writePrivate(file, content, wholefile.ReplaceFlushed)
}

func writePrivate(file string, content []byte, write func(afero.Fs, string, []byte) error) error {
	fsys := afero.NewOsFs()
	if err := write(fsys, file, content); err != nil {
		return err
	}
	return wholefile.RemoveLeft(fsys, file) // others may hold a key, too
}
