// Command checkpoint runs the checkpoint watcher alone, so that a benchmark can
// measure it as a process: "finish" takes the files that lie in a folder,
// "watch" writes checkpoints into it and prints how long each took from the
// close of the file to the visible object.
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/storage"
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
	dir := flags.String("dir", "", "OUTPUT_DIR")
	job := flags.String("job", "bench", "job id")
	sizes := flags.String("mib", "1,100,1024", "sizes of the checkpoints that watch writes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	debug.SetMemoryLimit(48 << 20) // as the agent does
	s, err := storage.Open(ctx, storage.Config{
		Type: contract.StorageMinIO, Endpoint: *endpoint, Bucket: "vision-platform",
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	})
	if err != nil {
		return err
	}
	visible := make(chan time.Time, 1)
	w, err := checkpoints.New(checkpoints.Options{
		Dir: *dir, JobID: *job, Store: s, Retention: checkpoints.Retention{Frequency: 1},
		OnEvent: func(kind contract.EventType, _ string, _ any) {
			if kind == contract.EventCheckpointSaved && verb == "watch" {
				visible <- time.Now()
			}
		},
	})
	if err != nil {
		return err
	}
	if verb == "watch" {
		err = watch(ctx, w, *dir, strings.Split(*sizes, ","), visible)
	}
	if sum := w.Finish(ctx, checkpoints.FinishOptions{Clean: true}); err == nil && len(sum.Failed) > 0 {
		err = fmt.Errorf("not uploaded: %v", sum.Failed)
	}
	return err
}

func watch(ctx context.Context, w *checkpoints.Watcher, dir string, sizes []string, visible <-chan time.Time) error {
	go func() { _ = w.Run(ctx) }()
	for i, size := range sizes {
		mib, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, fmt.Sprintf("model%d.pt", i+1)), mib); err != nil {
			return err
		}
		closed := time.Now()
		fmt.Printf("%d %.3f\n", mib, (<-visible).Sub(closed).Seconds())
	}
	return nil
}

// write makes what looks like a torch archive: a header in front, a table of
// contents behind.
func write(path string, mib int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	copy(block, "PK\x03\x04")
	for i := range mib {
		binary.LittleEndian.PutUint64(block[8:], uint64(i))
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	tail := make([]byte, 46+22)
	copy(tail, "PK\x01\x02")
	copy(tail[46:], "PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00")
	binary.LittleEndian.PutUint32(tail[46+12:], 46)
	binary.LittleEndian.PutUint32(tail[46+16:], uint32(mib<<20))
	if _, err := f.Write(tail); err != nil {
		return err
	}
	return f.Close()
}
