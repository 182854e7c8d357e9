package dataset

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

func shelve(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const sumOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestWeightsOfTheLibraryAreFound(t *testing.T) {
	for _, c := range []struct {
		name, model   string
		baked, bucket map[string]string // below timm/ and weights/timm/
		want          string            // end of the path; empty = none
		fails         string
	}{
		{name: "nothing anywhere", model: "resnet18"},
		{name: "no model", bucket: map[string]string{"resnet18/w.pt": "abc"}},
		{name: "a file of the bucket", model: "resnet18", bucket: map[string]string{"resnet18/w.safetensors": "abc", "resnet18/README.md": "hi"}, want: "resnet18/w.safetensors"},
		{name: "baked into the image", model: "resnet18", baked: map[string]string{"resnet18/baked.pt": "abc"}, bucket: map[string]string{"resnet18/w.pt": "abc"}, want: "resnet18/baked.pt"},
		{name: "by the framework's own extension", model: "yolo11n.pt", bucket: map[string]string{"yolo11n/yolo11n.pt": "abc"}, want: "yolo11n/yolo11n.pt"},
		{name: "with an owner", model: "google/vit", bucket: map[string]string{"vit/w.pt": "abc"}, want: "vit/w.pt"},
		{name: "a folder of transformers", model: "vit", bucket: map[string]string{"vit/config.json": "{}", "vit/model.safetensors": "abc"}, want: "/vit"},
		{name: "the card names it", model: "m", bucket: map[string]string{"m/a.pt": "abc", "m/b.pt": "x", "m/card.json": `{"file": "a.pt", "sha256": "` + sumOfAbc + `", "license": "MIT"}`}, want: "m/a.pt"},
		{name: "another checksum", model: "m", bucket: map[string]string{"m/a.pt": "abd", "m/card.json": `{"sha256": "` + sumOfAbc + `"}`}, fails: "the SHA-256 of a.pt is"},
		{name: "two files and no card", model: "m", bucket: map[string]string{"m/a.pt": "abc", "m/b.pt": "x"}, fails: "2 files that may be the weights"},
		{name: "a card that is no JSON", model: "m", bucket: map[string]string{"m/a.pt": "abc", "m/card.json": "{"}, fails: "card.json cannot be read"},
		{name: "a card that leads out", model: "m", bucket: map[string]string{"m/card.json": `{"file": "../../x"}`}, fails: "not in the folder"},
		{name: "a model of that prefix only", model: "resnet1", bucket: map[string]string{"resnet18/w.pt": "abc"}},
		{name: "a model that leads out", model: "..", bucket: map[string]string{"w.pt": "abc"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			baked, bucket := t.TempDir(), t.TempDir()
			shelve(t, filepath.Join(baked, "timm"), c.baked)
			shelve(t, filepath.Join(bucket, "weights", "timm"), c.bucket)
			store, err := storage.Open(context.Background(), storage.Config{Type: contract.StorageLocal, LocalDir: bucket, Bucket: "b"})
			if err != nil {
				t.Fatal(err)
			}
			found, err := Library{Framework: "timm", Model: c.model, Dir: baked}.Find(t.Context(), store, t.TempDir(), func(s string) { t.Error(s) })
			if c.fails != "" {
				if f := contract.AsFailure(err); err == nil || f.Code != contract.CodeWeightsUnavailable || !strings.Contains(f.Error(), c.fails) {
					t.Errorf("got %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil || (found == nil) != (c.want == "") {
				t.Fatalf("got %+v, %v", found, err)
			}
			if found != nil && !strings.HasSuffix(filepath.ToSlash(found.Path), c.want) {
				t.Errorf("found %s, want %s", found.Path, c.want)
			}
		})
	}
}
