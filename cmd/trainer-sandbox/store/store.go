// Package store is a real S3 server for laptops and tests: versitygw's gateway
// over a folder, started and stopped by the program that needs it.
//
// It promises what a client relies on at AWS: signatures, presigned expiry,
// conditional requests, ranges, multipart uploads, server-side copies and the
// checksums that current SDKs send are checked, and a wrong key is refused. It
// leaves policies, users and durability to a store that is not a toy.
//
// The gateway changes the working directory and can run once per process, so it
// runs in a process of its own: this program, executed again (see child.go).
// That also keeps its memory, goroutines and CPU out of the caller's figures.
package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Defaults of Config and bounds of the server's life.
const (
	DefaultAccessKey = "sandbox"
	DefaultSecretKey = "sandbox-secret"
	Region           = "us-east-1"

	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
	stderrLimit  = 16 << 10 // bytes of the child's last words kept for an error
)

// Config says where the store listens and what it holds.
type Config struct {
	Addr      string   // host:port; port 0 picks a free one; empty means 127.0.0.1:0
	Dir       string   // folder of the data; created when it is missing; required
	AccessKey string   // empty means DefaultAccessKey
	SecretKey string   // empty means DefaultSecretKey
	Buckets   []string // created when they are missing
}

// Server is a running store.
type Server struct {
	URL       string // endpoint, for example http://127.0.0.1:34567
	Addr      string // host:port; Start with it and the same Dir brings a stopped store back
	AccessKey string
	SecretKey string

	stdin  io.Closer
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{}
	err    error // of the child; valid once done is closed
}

// Start runs the store until Close is called or ctx ends. It returns once the
// server answers and every bucket of cfg exists.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s, err := launch(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting the S3 store: %w", err)
	}
	if err := s.makeBuckets(ctx, cfg.Buckets); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (c *Config) setDefaults() error {
	if c.Dir == "" {
		return errors.New("starting the S3 store: no folder given for its data")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return fmt.Errorf("starting the S3 store: %w", err)
	}
	c.Dir = dir
	for _, d := range []struct {
		field *string
		value string
	}{{&c.Addr, "127.0.0.1:0"}, {&c.AccessKey, DefaultAccessKey}, {&c.SecretKey, DefaultSecretKey}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	return nil
}

// launch executes this program again as the store and waits for its address.
func launch(ctx context.Context, cfg Config) (*Server, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &Server{
		AccessKey: cfg.AccessKey, SecretKey: cfg.SecretKey,
		cmd: exec.CommandContext(ctx, exe), stderr: &tail{limit: stderrLimit}, done: make(chan struct{}),
	}
	// A program built with -race sleeps a second before it exits, unless told not to.
	s.cmd.Env = append(os.Environ(), childEnv+"=1", "GORACE=atexit_sleep_ms=0")
	s.cmd.Stderr = s.stderr
	s.cmd.WaitDelay = stopTimeout
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.stdin = stdin
	ready := make(chan string, 1)
	go s.watch(stdout, ready)
	if err := json.NewEncoder(stdin).Encode(cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, s.awaitReady(ctx, ready)
}

// watch reads the child's output to its end, hands over the address and reaps
// the child. It is the only one that waits for it.
func (s *Server) watch(stdout io.Reader, ready chan<- string) {
	defer close(s.done)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), readyPrefix); ok {
			ready <- addr
			break
		}
	}
	_, _ = io.Copy(io.Discard, stdout)
	s.err = s.cmd.Wait()
}

func (s *Server) awaitReady(ctx context.Context, ready <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case s.Addr = <-ready:
		s.URL = "http://" + Reachable(s.Addr)
		return nil
	case <-s.done:
		return fmt.Errorf("%s", strings.TrimSpace(s.stderr.String()))
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("waiting for its address: %w", ctx.Err()), s.Close())
	}
}

// Done is closed when the store has ended, by Close or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close stops the store and waits for it. The data stays. A second call does
// nothing more.
func (s *Server) Close() error {
	_ = s.stdin.Close() // the child leaves when its standard input ends
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
		return fmt.Errorf("stopping the S3 store: it did not leave within %s and was killed", stopTimeout)
	}
	return nil
}

// Client is an S3 client with the store's own key, path-style as every
// self-hosted store needs it. Options are applied last.
func (s *Server) Client(options ...func(*s3.Options)) *s3.Client {
	base := s3.Options{
		BaseEndpoint: aws.String(s.URL), Region: Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	}
	return s3.New(base, options...)
}

// Env is the part of a job's environment that names this store.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"STORAGE_TYPE": "minio", "S3_ENDPOINT": s.URL, "AWS_REGION": Region,
		"AWS_ACCESS_KEY_ID": s.AccessKey, "AWS_SECRET_ACCESS_KEY": s.SecretKey,
	}
}

func (s *Server) makeBuckets(ctx context.Context, buckets []string) error {
	client := s.Client()
	for _, b := range buckets {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(b)})
		if _, owned := errors.AsType[*types.BucketAlreadyOwnedByYou](err); err != nil && !owned {
			return fmt.Errorf("creating bucket %q: %w", b, err)
		}
	}
	return nil
}
