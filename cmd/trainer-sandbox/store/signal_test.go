package store

import (
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// An interrupted job uploads its last checkpoint after the Ctrl-C that the store
// gets as well.
func TestStoreOutlivesTheSignalsOfATerminal(t *testing.T) {
	s, c := start(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if err := s.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	put(t, c, "last.pt", []byte("saved"))
	if got := get(t, c, &s3.GetObjectInput{Key: aws.String("last.pt")}); string(got) != "saved" {
		t.Errorf("got %q", got)
	}
}
