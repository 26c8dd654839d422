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

// keyFile is the file in a home that contains the key.
const keyFile = "dashboard.key"

// minKey is the minimal length of a key.
const minKey = 32

// NewKey returns a key of 256 random bits.
func NewKey() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// checkKey returns an error if text cannot be a key. It wraps record.ErrInvalid and does
// not quote the text.
func checkKey(text string) error {
	if len(text) < minKey {
		return fmt.Errorf("%w key: it has %d characters, and needs %d; \"qme generate-key\" makes one", record.ErrInvalid, len(text), minKey)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }) {
		return fmt.Errorf("%w key: it holds characters that cannot stand in a header", record.ErrInvalid)
	}
	return nil
}

// LoadKey returns the key of the home in the folder dir, and creates it if there is none.
// Processes that do so at the same time return the same key. The error wraps
// record.ErrInvalid if the file does not contain a key, and record.ErrConflict if other
// users can read it.
func LoadKey(dir string) (string, error) {
	file := filepath.Join(dir, keyFile)
	b, err := regular.ReadHere(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createPrivate(file, []byte(NewKey()+"\n")); err == nil || errors.Is(err, fs.ErrExist) {
			b, err = regular.ReadHere(file)
		}
	}
	if err != nil {
		return "", err
	}
	if err := checkPrivate(file); err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(b))
	if err := checkKey(key); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// checkPrivate returns an error that wraps record.ErrConflict for a file that other users can read or
// write.
func checkPrivate(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %o), so what it holds may be known: remove it, and a new one is made: %w", file, info.Mode().Perm(), record.ErrConflict)
	}
	return nil
}

// SaveKey sets the key of the home in the folder dir atomically, and returns it.
func SaveKey(dir, key string) (string, error) {
	return key, replacePrivate(filepath.Join(dir, keyFile), []byte(key+"\n"))
}

// createPrivate creates a file that only its owner can read; see wholefile.Create.
func createPrivate(file string, content []byte) error {
	return writePrivate(file, content, wholefile.Create)
}

// replacePrivate replaces a file by one that only its owner can read.
func replacePrivate(file string, content []byte) error {
	return writePrivate(file, content, wholefile.ReplaceFlushed)
}

func writePrivate(file string, content []byte, write func(afero.Fs, string, []byte) error) error {
	fsys := afero.NewOsFs()
	if err := write(fsys, file, content); err != nil {
		return err
	}
	return wholefile.RemoveLeft(fsys, file) // killed processes may have left files with a key
}
