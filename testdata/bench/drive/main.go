// Command drive runs one step of the agent alone, so that a benchmark can
// measure it as a process beside its peers: it serves an S3 store, fetches a
// dataset, or puts a file. The last line of its output is JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, verb string, args []string) error {
	flags := flag.NewFlagSet(verb, flag.ExitOnError)
	endpoint := flags.String("endpoint", "", "S3 endpoint")
	dir := flags.String("dir", "", "folder of the store's or the dataset's files")
	id := flags.String("dataset", "", "dataset to fetch")
	file := flags.String("file", "", "file to put")
	key := flags.String("key", "", "key to put it under")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if verb == "serve" {
		return serve(ctx, *dir)
	}
	s, err := storage.Open(ctx, storage.Config{
		Type: contract.StorageMinIO, Endpoint: *endpoint, Bucket: "vision-platform",
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	})
	if err != nil {
		return err
	}
	switch verb {
	case "fetch":
		return fetch(ctx, s, *id, *dir)
	case "put":
		return put(ctx, s, *file, *key)
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// serve runs the sandbox's store until standard input ends.
func serve(ctx context.Context, dir string) error {
	s, err := store.Start(ctx, store.Config{
		Dir: dir, Buckets: []string{"vision-platform"},
		AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	})
	if err != nil {
		return err
	}
	fmt.Println(s.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

func fetch(ctx context.Context, s storage.Store, id, dir string) error {
	d, err := dataset.Fetch(ctx, s, dataset.Request{ID: id, Dir: dir})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"dir": d.Dir, "files": d.Files, "bytes": d.Bytes, "cached": d.Cached})
}

func put(ctx context.Context, s storage.Store, file, key string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	info, err := s.Put(ctx, key, f, fi.Size(), nil)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(info)
}
