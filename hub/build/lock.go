package build

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Wheel is one wheel that an environment is made of.
type Wheel struct {
	Path    string
	Name    string
	Version string
	SHA256  string // hexadecimal
}

// wheelName is a wheel's file name (the binary distribution format): name, version, an
// optional build, and three tags.
var wheelName = regexp.MustCompile(`^([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)(?:-\d[A-Za-z0-9_.]*)?-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+\.whl$`)

// wheelsIn are the wheels of a folder, sorted.
func wheelsIn(dir string) (wheels []Wheel, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of wheels: %w", err)
	}
	for _, file := range files {
		m := wheelName.FindStringSubmatch(file.Name())
		if m == nil {
			return nil, fmt.Errorf("pip left %q, which is no wheel", file.Name())
		}
		w := Wheel{Path: filepath.Join(dir, file.Name()), Name: m[1], Version: m[2]}
		if w.SHA256, err = sum(w.Path); err != nil {
			return nil, err
		}
		wheels = append(wheels, w)
	}
	slices.SortFunc(wheels, func(a, b Wheel) int { return strings.Compare(filepath.Base(a.Path), filepath.Base(b.Path)) })
	return wheels, nil
}

func sum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, bufio.NewReaderSize(file, 1<<20)); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// lockText pins wheels as pip reads it.
func lockText(wheels []Wheel) string {
	var out strings.Builder
	for _, w := range wheels {
		fmt.Fprintf(&out, "%s==%s --hash=sha256:%s\n", w.Name, w.Version, w.SHA256)
	}
	return out.String()
}

// writeLock puts a lock where it outlives a kill and a power loss: whole or not at all.
func writeLock(path, text string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".lock-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("keeping the lock: %w", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("keeping the lock: %w", err)
	}
	return errors.Join(syncDir(filepath.Dir(path)), syncDir(filepath.Dir(filepath.Dir(path)))) // the folder may be new
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock pins the wheels of the environment as pip reads it.
func (e *Environment) Lock() string { return lockText(e.Wheels) }
