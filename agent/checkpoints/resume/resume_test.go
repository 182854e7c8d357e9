package resume

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// bucket is a store in memory. What a job leaves and resumes from is tested where
// checkpoints are watched.
type bucket map[string][]byte

func (b bucket) Stat(_ context.Context, key string) (contract.ObjectInfo, error) {
	body, ok := b[key]
	if !ok {
		return contract.ObjectInfo{}, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return contract.ObjectInfo{Key: key, Size: int64(len(body))}, nil
}

func (b bucket) Get(ctx context.Context, key string, offset, length int64, _ string) (io.ReadCloser, contract.ObjectInfo, error) {
	info, err := b.Stat(ctx, key)
	if err != nil {
		return nil, info, err
	}
	body := b[key][offset:]
	if length >= 0 {
		body = body[:min(length, int64(len(body)))]
	}
	return io.NopCloser(bytes.NewReader(body)), info, nil
}

func (b bucket) URI(key string) string { return contract.URI("test", key) }

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"files": [{"name": "last.pt", "size_bytes": 3, "sha256": "x", "epoch": 2}, {"name": "../../x.pt"}]}`))
	f.Add([]byte(`{"files": [{"name": "last/a", "size_bytes": -1}, {"name": "last/../../b"}, {"name": "last"}]}`))
	f.Add([]byte(`{"files": null, "history": [{"epoch": -1, "metrics": {"a": null}}]}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		b := bucket{contract.ManifestKey("j1"): data}
		var m contract.Manifest
		if json.Unmarshal(data, &m) == nil {
			for _, file := range m.Files {
				b[contract.CheckpointKey("j1", file.Name)] = []byte("abc")
			}
		}
		target := filepath.Join(dir, "in")
		_, _ = Find(context.Background(), Options{JobID: "j1", Store: b, Dir: target})
		if entries, _ := os.ReadDir(dir); len(entries) > 1 {
			t.Errorf("something was written outside: %v", entries)
		}
		_ = os.RemoveAll(target)
	})
}

func TestARunThatIsFinishedDoesNotGoOn(t *testing.T) {
	for epoch, says := range map[int]string{
		2: "Training continues after epoch 2",
		3: "The run is finished already with 3 epochs: EPOCHS=3 leaves nothing to train",
		5: "The run is finished already with 5 epochs: EPOCHS=3 leaves nothing to train",
		0: "Training continues from last.pt; which epoch it is of is not known",
	} {
		if got := (&Resumed{Name: "last.pt", Epoch: epoch}).goesOn(3); got != says {
			t.Errorf("epoch %d: %q, want %q", epoch, got, says)
		}
	}
}
