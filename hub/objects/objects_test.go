package objects_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/hub/objects"
)

// putter is either kind.
type putter interface {
	Put(ctx context.Context, key string, text []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	Delete(ctx context.Context, key string) error
}

// put puts twice: the second document replaces the first, and is read as JSON by whoever
// asks the store.
func put(t *testing.T, to putter, read func(key string) string) {
	t.Helper()
	for _, text := range []string{`{"a": 1}`, `{"b": 2}`} {
		if err := to.Put(t.Context(), "schemas/cells.json", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := read("schemas/cells.json"); got != text {
			t.Errorf("%q, want %q", got, text)
		}
		if got, err := to.Get(t.Context(), "schemas/cells.json"); string(got) != text || err != nil {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	for range 2 { // the second time there is none
		if err := to.Delete(t.Context(), "schemas/cells.json"); err != nil {
			t.Error(err)
		}
		if _, err := to.Get(t.Context(), "schemas/cells.json"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a document that is none: %v", err)
		}
	}
	if err := to.Put(t.Context(), "schemas/cells.json", []byte("{}")); err != nil {
		t.Error(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, objects.Folder{Dir: dir}, func(key string) string {
		text, err := os.ReadFile(filepath.Join(dir, key))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	})
	if err := (objects.Folder{Dir: dir}).Put(t.Context(), "../outside.json", nil); err == nil {
		t.Error("a key outside is taken")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "schemas", ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestBucket(t *testing.T) {
	server, err := store.Start(t.Context(), store.Config{Dir: t.TempDir(), Buckets: []string{"config-schemas"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey, "AWS_REGION": "", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	bucket, err := objects.OpenBucket(t.Context(), "config-schemas")
	if err != nil {
		t.Fatal(err)
	}
	put(t, bucket, func(key string) string {
		object, err := server.Client().GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("config-schemas"), Key: aws.String(key)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = object.Body.Close() }()
		text, err := io.ReadAll(object.Body)
		if err != nil || aws.ToString(object.ContentType) != "application/json" {
			t.Errorf("%v, %v", aws.ToString(object.ContentType), err)
		}
		return string(text)
	})
	if err := bucket.Check(t.Context()); err != nil {
		t.Error(err)
	}
	gone, err := objects.OpenBucket(t.Context(), "no-such-bucket")
	if err == nil {
		if err := gone.Check(t.Context()); !errors.Is(err, objects.ErrNoBucket) {
			t.Errorf("a bucket that is not there: %v", err)
		}
		err = gone.Put(t.Context(), "x", nil)
	}
	if err == nil || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
	if _, err := objects.OpenBucket(t.Context(), "bucket/prefix"); err == nil {
		t.Error("a prefix is taken")
	}
}
