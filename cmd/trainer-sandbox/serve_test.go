package main

import (
	"net"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/platform"
)

// A port or a folder that is another sandbox's is named, with the flag that names another.
func TestASecondSandboxIsToldWhatToDo(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	first, err := platform.Start(t.Context(), platform.Config{DataDir: dir, Bucket: "vision-platform", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	const free = "127.0.0.1:0"
	for want, c := range map[string]serveCmd{
		"--s3-addr":                            {S3Addr: taken.Addr().String(), BackendAddr: free, DataDir: t.TempDir()},
		"name other addresses":                 {S3Addr: free, BackendAddr: taken.Addr().String(), DataDir: t.TempDir()},
		"another sandbox is at work in " + dir: {S3Addr: free, BackendAddr: free, DataDir: dir},
	} {
		c.Bucket, c.Token, c.Quiet = "vision-platform", "t", true
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said: %v", want, err)
		}
	}
}
