package blob_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/objects"
)

const hellos = "packages/2c/" + hello + ".zip"

// bucket is one of a real store, with room for copies of so many bytes.
func bucket(t *testing.T, most int64) (b *blob.Bucket, copies string, server *store.Server) {
	t.Helper()
	server, err := store.Start(t.Context(), store.Config{Dir: t.TempDir(), Buckets: []string{"hub"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey, "AWS_REGION": "", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	at, err := objects.OpenBucket(t.Context(), "hub")
	copies = filepath.Join(t.TempDir(), "of [a] hub*") // no pattern, but a name
	if err == nil {
		b, err = blob.OpenBucket(at, copies, most)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b, copies, server
}

func keep(t *testing.T, b *blob.Bucket, text string) (digest string) {
	t.Helper()
	in, err := b.Receive(t.Context(), strings.NewReader(text), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Keep(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in.SHA256
}

func reads(t *testing.T, b *blob.Bucket, digest, want string) (done func()) {
	t.Helper()
	path, done, err := b.Take(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); string(text) != want || err != nil {
		t.Errorf("%q, %v; want %q", text, err, want)
	}
	return done
}

// A package is the bucket's: without the copy it is fetched, by the digest that it has.
func TestBucketKeepsPackages(t *testing.T) {
	b, copies, server := bucket(t, blob.MaxCopies)
	for range 2 { // twice is once
		if got := keep(t, b, "hello"); got != hello {
			t.Errorf("its digest is %s", got)
		}
	}
	reads(t, b, hello, "hello")()
	if err := os.RemoveAll(filepath.Join(copies, "2c")); err != nil {
		t.Fatal(err)
	}
	reads(t, b, hello, "hello")()
	if left := files(t, copies); len(left) != 1 {
		t.Errorf("left here: %v", left)
	}
	if _, _, err := b.Take(t.Context(), strings.Repeat("0", 64)); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, blob.ErrAway) {
		t.Errorf("one that nobody kept: %v", err)
	}
	if _, _, err := b.Take(t.Context(), "../../etc/passwd"); err == nil {
		t.Error("a path was taken for a digest")
	}
	_, err := server.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("hub"), Key: aws.String(hellos), Body: bytes.NewReader([]byte("other"))})
	if err == nil {
		err = os.RemoveAll(filepath.Join(copies, "2c"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Take(t.Context(), hello); err == nil || !strings.Contains(err.Error(), "other bytes") || errors.Is(err, blob.ErrAway) {
		t.Errorf("what somebody replaced in the bucket: %v", err)
	}
	if left := files(t, copies); len(left) != 0 {
		t.Errorf("left here: %v", left)
	}
}

// What is away is no package that is gone.
func TestBucketIsAway(t *testing.T) {
	b, copies, server := bucket(t, blob.MaxCopies)
	if err := b.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	digest := keep(t, b, "hello")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(t.Context()); !errors.Is(err, blob.ErrAway) {
		t.Errorf("ready: %v", err)
	}
	reads(t, b, digest, "hello")() // a copy needs no store
	in, err := b.Receive(t.Context(), strings.NewReader("more"), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Keep(t.Context(), in); !errors.Is(err, blob.ErrAway) {
		t.Errorf("keeping: %v", err)
	}
	in.Discard()
	if left := files(t, copies); len(left) != 1 {
		t.Errorf("left here: %v", left)
	}
	if err := os.RemoveAll(filepath.Join(copies, "2c")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Take(t.Context(), digest); !errors.Is(err, blob.ErrAway) {
		t.Errorf("fetching: %v", err)
	}
}

// Copies make room for newer ones, but not while somebody reads them.
func TestOldCopiesMakeRoom(t *testing.T) {
	b, copies, _ := bucket(t, 12)
	old, read := keep(t, b, "first"), keep(t, b, "other")
	done := reads(t, b, old, "first")
	for i, digest := range []string{old, read} {
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(filepath.Join(copies, digest[:2], digest+".zip"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	keep(t, b, "third")
	names := strings.Join(files(t, copies), " ")
	if !strings.Contains(names, old) || strings.Contains(names, read) {
		t.Errorf("the oldest is being read, and the other is not: %s", names)
	}
	done()
	keep(t, b, "4th..")
	if names := strings.Join(files(t, copies), " "); strings.Contains(names, old) {
		t.Errorf("nobody reads it any longer: %s", names)
	}
	reads(t, b, old, "first")()
	reads(t, b, read, "other")()
}
