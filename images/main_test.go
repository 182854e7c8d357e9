// Package images builds the images as they are shipped and runs them as an OCI
// runtime does, confined like the pods of deploy/k8s: read-only root, uid 1000, no
// capability, seccomp. It promises that an image carries a job from its
// environment to a delivered done. It leaves the registries' own bases to a
// machine that reaches one: here local ones stand in (testdata/bases.Dockerfile).
package images

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	token   = "callback-token-of-the-tests"
	bucket  = "vision-platform"
	dataset = "tiny"

	// patience bounds waits for events; nothing depends on its length.
	patience = 5 * time.Minute
)

// shared is a real S3 server and a recording backend on the machine's loopback,
// which the containers share with the tests.
var shared struct {
	store   *store.Server
	backend *backend.Backend
	url     string
	dir     string // scratch: runc's state, bundles
	jobs    atomic.Int64
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trainer-images-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shared.dir = dir
	if shared.store, err = store.Start(context.Background(), store.Config{Dir: filepath.Join(dir, "s3"), Buckets: []string{bucket}}); err != nil {
		panic(err)
	}
	defer func() { _ = shared.store.Close() }()
	if shared.backend, err = backend.New(backend.Options{Token: token}); err != nil {
		panic(err)
	}
	defer func() { _ = shared.backend.Close() }()
	server := httptest.NewServer(shared.backend)
	defer server.Close()
	shared.url = server.URL
	for _, task := range []contract.TaskType{contract.TaskObjectDetection, contract.TaskImageClassification} {
		if err := put(contract.DatasetZipKey(datasetOf(task)), tinyDataset(task)); err != nil {
			panic(err)
		}
	}
	defer unmount()
	lookAtInputs()
	return m.Run()
}

// lookAtInputs stats what the images are built from, by other processes: go test
// then knows that its result is old when one of these files has changed.
func lookAtInputs() {
	for _, dir := range []string{"../agent", "../cmd", "../contract", "../converters", "../deploy", "../images", "../trainers", "../testdata/trainers"} {
		_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
			_, _ = os.Stat(path)
			return nil
		})
	}
	for _, file := range []string{"../go.mod", "../go.sum", "../Makefile", "../.dockerignore"} {
		_, _ = os.Stat(file)
	}
}

func put(key string, body []byte) error {
	_, err := shared.store.Client().PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(body)})
	return err
}

func datasetOf(task contract.TaskType) string { return dataset + "-" + string(task) }

// tinyDataset is sixteen images of one square each, in two colours: the classes.
func tinyDataset(task contract.TaskType) []byte {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	images := []map[string]any{}
	for i := range 16 {
		name, class := fmt.Sprintf("img%d.png", i), i%2
		w, _ := archive.Create("images/" + name)
		picture := image.NewRGBA(image.Rect(0, 0, 64, 64))
		square := color.RGBA{R: uint8(255 * class), G: 200, B: uint8(10 * i), A: 255}
		draw.Draw(picture, image.Rect(16, 16, 48, 48), image.NewUniform(square), image.Point{}, draw.Src)
		_ = png.Encode(w, picture)
		entry := map[string]any{"id": i, "file_name": name, "width": 64, "height": 64}
		if task == contract.TaskImageClassification {
			entry["annotation"] = map[string]any{"class_id": class}
		} else {
			entry["annotations"] = []any{map[string]any{"class_id": class, "bbox": []int{16, 16, 32, 32}}}
		}
		images = append(images, entry)
	}
	w, _ := archive.Create("annotations.json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"format_version": "1.0", "dataset_id": dataset, "images": images,
		"classes": []any{map[string]any{"id": 0, "name": "cat"}, map[string]any{"id": 1, "name": "dog"}},
	})
	_ = archive.Close()
	return out.Bytes()
}
