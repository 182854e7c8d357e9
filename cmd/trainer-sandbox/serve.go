package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/platform"
)

type serveCmd struct {
	S3Addr      string   `name:"s3-addr" env:"SANDBOX_S3_ADDR" default:"127.0.0.1:9000" help:"Address of the S3 store; port 0 picks a free one."`
	BackendAddr string   `env:"SANDBOX_BACKEND_ADDR" default:"127.0.0.1:8000" help:"Address of the backend and the page; port 0 picks a free one."`
	DataDir     string   `type:"path" help:"Folder of the data, kept between runs (default: trainer-sandbox in the temporary folder)."`
	Bucket      string   `default:"vision-platform" help:"Bucket to create."`
	Token       string   `env:"SANDBOX_TOKEN" default:"sandbox-token" help:"Bearer token that callbacks must carry."`
	AccessKey   string   `env:"SANDBOX_ACCESS_KEY" default:"sandbox" help:"Access key of the store."`
	SecretKey   string   `env:"SANDBOX_SECRET_KEY" default:"sandbox-secret" help:"Secret key of the store."`
	AllowHost   []string `placeholder:"NAME" help:"Further name by which the page may be called, such as host.docker.internal."`
	JSON        bool     `xor:"print" help:"Print the environment as one line of JSON."`
	Quiet       bool     `short:"q" xor:"print" help:"Print no environment: it has the keys, and a cluster keeps what is printed."`
}

// Help has the examples.
func (serveCmd) Help() string {
	return `Examples:
  trainer-sandbox serve
  trainer-sandbox serve --s3-addr 127.0.0.1:0 --backend-addr 127.0.0.1:0 --data-dir /tmp/sandbox --json`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context) error {
	if err := c.checkExposure(); err != nil {
		return err
	}
	if c.DataDir == "" {
		c.DataDir = filepath.Join(os.TempDir(), "trainer-sandbox")
	}
	p, err := platform.Start(ctx, platform.Config{
		S3Addr: c.S3Addr, BackendAddr: c.BackendAddr, DataDir: c.DataDir, Bucket: c.Bucket,
		Token: c.Token, AccessKey: c.AccessKey, SecretKey: c.SecretKey, Hosts: c.AllowHost,
	})
	if err != nil && strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) { // the store, a process of its own, gives it as text
		return fmt.Errorf("%w: --s3-addr and --backend-addr name other addresses, 127.0.0.1:0 takes a free port", err)
	}
	if err != nil {
		return err
	}
	if !c.Quiet {
		if err := printEnv(os.Stdout, p.Env(), c.JSON); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	fmt.Fprintf(os.Stderr, "# Page: %s/   Data: %s   Stop: Ctrl-C\n", p.URL, c.DataDir)
	return p.Serve(ctx)
}

// checkExposure refuses to show a platform with well-known keys to a network.
func (c *serveCmd) checkExposure() error {
	wellKnown := c.Token == defaultToken || c.SecretKey == "sandbox-secret"
	for _, addr := range []string{c.S3Addr, c.BackendAddr} {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("address %q is not host:port: %w", addr, err)
		}
		local := host == "localhost" || net.ParseIP(host).IsLoopback()
		if !local && wellKnown {
			return fmt.Errorf("%s can be reached from other machines: give --token and --secret-key of your own", addr)
		}
	}
	return nil
}

// printEnv writes the environment for trainer-agent, sorted, ready for a shell.
func printEnv(w io.Writer, env map[string]string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(env)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, err := fmt.Fprintf(w, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`)); err != nil {
			return err
		}
	}
	return nil
}
