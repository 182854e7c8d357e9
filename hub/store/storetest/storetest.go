// Package storetest gives tests the hub's database on both engines: SQLite in a
// folder of the test, and a real PostgreSQL server that the tests start. It is
// for tests only.
package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// Engines runs a test with an empty database of each engine.
func Engines(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, Open(t, filepath.Join(t.TempDir(), "hub.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, Open(t, Postgres(t))) })
}

// Open opens a database until the test ends.
func Open(t testing.TB, address string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// shared is the one PostgreSQL server of a test binary.
var shared struct {
	once      sync.Once
	dir       string // of the server's data and of its socket
	process   *exec.Cmd
	databases atomic.Int64
}

// Main runs a package's tests and then stops the server that they shared; a
// package that asks for Postgres calls it from TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.process != nil {
		_ = shared.process.Process.Signal(syscall.SIGINT) // PostgreSQL's fast shutdown
		_ = shared.process.Wait()
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	return code
}

// Postgres is the address of an empty database.
func Postgres(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() { serve(t) })
	if shared.process == nil {
		t.Fatal("PostgreSQL did not start: see the first test that asked for it")
	}
	name := "hub" + strconv.FormatInt(shared.databases.Add(1), 10)
	createdb := exec.CommandContext(t.Context(), "createdb", "-h", shared.dir, "-U", "postgres", name)
	if out, err := createdb.CombinedOutput(); err != nil {
		t.Fatalf("createdb: %v: %s", err, out)
	}
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + name, RawQuery: url.Values{"host": {shared.dir}}.Encode()}).String()
}

// serve starts a PostgreSQL server that listens on a socket in a folder of its
// own. A socket's path must be short, so the folder is below /tmp.
func serve(t *testing.T) {
	t.Helper()
	bin := binaries(t)
	dir, err := os.MkdirTemp("/tmp", "pg")
	if err != nil {
		t.Fatal(err)
	}
	shared.dir = dir
	account := unprivileged(t, dir)
	run(t, account, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8")
	postgres := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-k", dir, "-h", "", "-F")
	postgres.Dir, postgres.SysProcAttr = dir, account
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	shared.process = postgres
	await(t, dir)
}

func await(t *testing.T, socket string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for exec.CommandContext(ctx, "pg_isready", "-q", "-h", socket, "-U", "postgres").Run() != nil {
		if ctx.Err() != nil {
			t.Fatal("PostgreSQL did not start within a minute")
		}
	}
}

// unprivileged is who the server runs as: it refuses to be root.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		need.Missing(t, "the account postgres (apt install postgresql): %v", err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// binaries is the folder of initdb and postgres, which Debian keeps out of PATH.
func binaries(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"createdb", "pg_isready"} {
		need.Program(t, name, "apt install postgresql")
	}
	out, err := exec.CommandContext(t.Context(), "pg_config", "--bindir").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
		if len(found) == 0 {
			need.Missing(t, "PostgreSQL (apt install postgresql)")
		}
		dir = found[len(found)-1]
	}
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		need.Missing(t, "PostgreSQL's server (apt install postgresql): %v", err)
	}
	return dir
}

func run(t *testing.T, account *syscall.SysProcAttr, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.SysProcAttr, cmd.Dir = account, "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%s: %w: %s", name, err, out))
	}
}
