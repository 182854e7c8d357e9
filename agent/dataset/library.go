package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// Library is where pretrained weights wait by the name of their model: a folder that
// an image was built with, else the bucket. Both hold {framework}/{model}/ with the
// weights and a card.
type Library struct {
	Framework, Model string // empty = the job wants no weights
	Dir              string // AGENT_WEIGHTS_DIR; may be empty
}

// Card says what weights are: card.json beside them. Every field may be absent.
type Card struct {
	File    string `json:"file,omitempty"` // name of the weights; absent means the only file, or the folder itself
	License string `json:"license,omitempty"`
	Source  string `json:"source,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // of File, in hex
}

// CardName is the card's file.
const CardName = "card.json"

// Shelved are weights that the library holds.
type Shelved struct {
	Path string // a file, or a folder as Hugging Face's save_pretrained writes it
	From string // where they were found, for people
	Card Card
}

// Find gives the weights of the library, nil when it has none. Those of the bucket
// are brought to the folder into. Of one that may not be listed it says so through
// warn, and the job goes on without.
func (l Library) Find(ctx context.Context, store Bucket, into string, warn func(string)) (*Shelved, error) {
	name, ok := l.name()
	if !ok {
		return nil, nil
	}
	if l.Dir != "" {
		baked := filepath.Join(l.Dir, name)
		if _, err := os.Stat(baked); err == nil {
			return shelved(baked, baked)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading AGENT_WEIGHTS_DIR: %w", err)
		}
	}
	prefix := contract.WeightsPrefix(l.Framework, filepath.Base(name))
	found, err := holds(ctx, store, prefix)
	if err != nil && contract.AsFailure(err).Code == contract.CodeStorageForbidden {
		warn(fmt.Sprintf("The bucket may not be asked for pretrained weights below %s: %v", store.URI(prefix), err))
		return nil, nil
	}
	if err != nil || !found {
		return nil, err
	}
	dir := filepath.Join(into, filepath.Base(name))
	if err := os.RemoveAll(dir); err != nil { // of an earlier run, perhaps half
		return nil, fmt.Errorf("removing earlier weights: %w", err)
	}
	if err := FetchObject(ctx, store, prefix, dir); err != nil {
		return nil, err
	}
	return shelved(dir, store.URI(prefix))
}

// name is {framework}/{model}, where that is a path below the library. A model may
// be named with the extension that its framework gives it.
func (l Library) name() (string, bool) {
	model := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(filepath.FromSlash(l.Model)), ".pt"), ".yaml")
	name := filepath.Join(l.Framework, model)
	return name, l.Framework != "" && l.Model != "" && model != "." && filepath.IsLocal(name) && filepath.Dir(name) == l.Framework
}

func holds(ctx context.Context, store Bucket, prefix string) (bool, error) {
	for object, err := range store.List(ctx, prefix) {
		if err != nil || !strings.HasSuffix(object.Key, "/") { // else the mark of a folder
			return err == nil, err
		}
	}
	return false, nil
}

// shelved reads the card of a folder, finds the weights and compares their checksum.
func shelved(dir, from string) (*Shelved, error) {
	s := &Shelved{From: from}
	body, err := os.ReadFile(filepath.Join(dir, CardName))
	if err == nil {
		err = json.Unmarshal(body, &s.Card)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unfit(from, "%s cannot be read: %v", CardName, err)
	}
	if s.Path, err = s.Card.weights(dir); err != nil {
		return nil, unfit(from, "%v", err)
	}
	if s.Card.SHA256 == "" {
		return s, nil
	}
	sum, err := fileSHA256(s.Path)
	if err != nil {
		return nil, unfit(from, "%v", err)
	}
	if !strings.EqualFold(sum, s.Card.SHA256) {
		return nil, unfit(from, "the SHA-256 of %s is %s, %s says %s", filepath.Base(s.Path), sum, CardName, s.Card.SHA256)
	}
	return s, nil
}

func (c Card) weights(dir string) (string, error) {
	if c.File != "" {
		if !filepath.IsLocal(c.File) {
			return "", fmt.Errorf("%s names %q, which is not in the folder", CardName, c.File)
		}
		_, err := os.Stat(filepath.Join(dir, c.File))
		return filepath.Join(dir, c.File), err
	}
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
		return dir, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); name != CardName && name[0] != '.' && !strings.EqualFold(name, "README.md") && !strings.EqualFold(name, "LICENSE") {
			files = append(files, name)
		}
	}
	if len(files) != 1 {
		return "", fmt.Errorf("it holds %d files that may be the weights, and no %s that names one", len(files), CardName)
	}
	return filepath.Join(dir, files[0]), nil
}

func unfit(from, format string, args ...any) error {
	return contract.Failf(contract.CodeWeightsUnavailable, "the pretrained weights at %s cannot be used: %s.", from, fmt.Sprintf(format, args...)).
		WithHint("Put them right, or set PRETRAINED=false to train from scratch.")
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
