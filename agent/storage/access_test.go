package storage_test

import (
	"context"
	"io"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestAccessOpensTheJobsBucketOnceAndKeepsSmallThingsAfterTheEnd(t *testing.T) {
	access := &storage.Access{Config: storage.Config{Type: contract.StorageLocal, LocalDir: t.TempDir(), Bucket: "own"}}
	if err := access.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	own := &struct{ storage.Store }{access.Store}
	access.Store = own
	if again, err := access.Open(t.Context(), "own"); err != nil || again != storage.Store(own) {
		t.Errorf("the job's bucket was opened twice: %v", err)
	}
	if other, err := access.Open(t.Context(), "other"); err != nil || other == storage.Store(own) {
		t.Errorf("another bucket is not the job's: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	uri, err := access.Keep(ended, "jobs/j/result.json", []byte("{}"))
	if err != nil || uri != access.Store.URI("jobs/j/result.json") {
		t.Fatalf("%s, %v", uri, err)
	}
	body, _, err := access.Store.Get(t.Context(), "jobs/j/result.json", 0, -1, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if b, _ := io.ReadAll(body); string(b) != "{}" {
		t.Errorf("%q", b)
	}
}

func TestAddressing(t *testing.T) {
	for style, want := range map[string]storage.Addressing{"true": storage.AddressPath, "false": storage.AddressVirtual, "auto": storage.AddressAuto} {
		if got := storage.AddressingOf(style); got != want {
			t.Errorf("%s: %q, want %q", style, got, want)
		}
	}
}
