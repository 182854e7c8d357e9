package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

const (
	childEnv    = "TRAINER_SANDBOX_STORE" // set: this process is the store
	readyPrefix = "store ready on "

	stopGrace = 3 * time.Second // for requests that are being answered when the parent goes

	maxConnections = 4096
	maxRequests    = 2048
	maxParts       = 10000 // the S3 specification's limit
	maxCopyBytes   = 5 << 30
	bindAttempts   = 20
)

// init turns a process started by launch into the store. It is an init so that
// every program that imports the package, a test binary too, can be its own
// server without a line in its main.
func init() {
	if os.Getenv(childEnv) == "" {
		return
	}
	if err := serve(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve reads the configuration, one JSON line, and serves until stdin ends,
// which is when the parent closes it or dies.
func serve(stdin io.Reader) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the store's configuration: %w", err)
	}
	var cfg Config
	if err := json.Unmarshal(line, &cfg); err != nil {
		return fmt.Errorf("reading the store's configuration: %w", err)
	}
	// A Ctrl-C reaches every process of the terminal, but a job that is being
	// stopped still has a checkpoint to save here: only the parent ends the store.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
		// The gateway waits for every connection, also for one that a client opened in
		// advance and never used: nobody answers those, so the wait has an end of its own.
		time.AfterFunc(stopGrace, func() { os.Exit(0) })
	}()
	return listen(ctx, cfg)
}

// openBackend lays the folder out: objects as plain files under buckets/, their
// metadata under meta/, because not every file system has extended attributes.
func openBackend(dir string) (*posix.Posix, error) {
	buckets, sidecar := filepath.Join(dir, "buckets"), filepath.Join(dir, "meta")
	for _, d := range []string{buckets, sidecar} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	metadata, err := meta.NewSideCar(sidecar)
	if err != nil {
		return nil, err
	}
	return posix.New(buckets, metadata, posix.PosixOpts{
		SideCarDir: sidecar,
		// The zero value is a limit of zero bytes: every CopyObject is then
		// refused as InvalidRequest. Only versitygw's own main sets the default.
		CopyObjectThreshold: maxCopyBytes,
	})
}

// listen serves on cfg.Addr. The gateway does not tell which port the kernel
// gave, so a free one is found first and tried again when somebody was faster.
func listen(ctx context.Context, cfg Config) error {
	_, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		addr, err := freeAddr(ctx, cfg.Addr)
		if err != nil {
			return err
		}
		be, err := openBackend(cfg.Dir) // the gateway closes it, even when it could not listen
		if err != nil {
			return fmt.Errorf("opening %s: %w", cfg.Dir, err)
		}
		err = embedgw.RunVersityGW(ctx, be, gateway(addr, cfg))
		if port != "0" || attempt == bindAttempts || !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
}

func gateway(addr string, cfg Config) *embedgw.Config {
	return &embedgw.Config{
		RootUserAccess: cfg.AccessKey, RootUserSecret: cfg.SecretKey, Region: Region,
		IAMService: newOneAccount(cfg.AccessKey, cfg.SecretKey),
		Ports:      []string{addr}, KeepAlive: true, Quiet: true,
		MaxConnections: maxConnections, MaxRequests: maxRequests, MultipartMaxParts: maxParts,
		S3Options: []s3api.Option{s3api.WithOnListen(func() { fmt.Println(readyPrefix + addr) })},
	}
}

func freeAddr(ctx context.Context, addr string) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
