package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Add puts weights into the library's folder, a file or a folder of them, with a card
// that holds the checksum of a file. It replaces none that are there.
func (l Library) Add(weights string, card Card) (dir string, err error) {
	name, ok := l.name()
	if !ok {
		return "", fmt.Errorf("the framework %q and the model %q are no names of folders", l.Framework, l.Model)
	}
	dir = filepath.Join(l.Dir, name)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is there already: remove it first", dir)
	}
	info, err := os.Stat(weights)
	if err != nil {
		return "", fmt.Errorf("reading the weights: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("making the library's folder: %w", err)
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), ".adding-*")
	if err != nil {
		return "", fmt.Errorf("making the library's folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	if info.IsDir() {
		err = os.CopyFS(partial, os.DirFS(weights))
	} else {
		card.File = filepath.Base(weights)
		card.SHA256, err = copyHashed(weights, filepath.Join(partial, card.File))
	}
	if err != nil {
		return "", fmt.Errorf("copying the weights: %w", err)
	}
	if err := writeCard(filepath.Join(partial, CardName), card); err != nil {
		return "", err
	}
	if _, err := shelved(partial, weights); err != nil { // what cannot be used later is refused now
		return "", err
	}
	if err := os.Chmod(partial, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", fmt.Errorf("putting the weights in place: %w", err)
	}
	return dir, nil
}

func copyHashed(from, to string) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	if _, err = out.ReadFrom(in); err != nil {
		_ = out.Close()
		return "", err
	}
	if err := out.Close(); err != nil {
		return "", err
	}
	return fileSHA256(to)
}

func writeCard(path string, card Card) error {
	body, err := json.MarshalIndent(card, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(body, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the card: %w", err)
	}
	return nil
}
