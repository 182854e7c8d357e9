// Package jobtest has what tests that run whole jobs share: the sandbox's platform
// on loopback, the environment of a small job, its dataset, and what came of it.
// It promises that a job sees the same platform as at a laptop. It is for tests
// only and leaves starting the agent to them, as a process or in a container.
package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/platform"
	"github.com/vision-platform/trainer-agent/contract"
)

// Token and Bucket are the platform's.
const (
	Token     = "callback-token-of-the-tests"
	secretKey = "secret-key-of-the-store-of-the-tests"
	Bucket    = "vision-platform"
)

// Platform is a running platform that many tests share; each has jobs of its own.
type Platform struct {
	*platform.Platform
	jobs atomic.Int64
}

// Start brings a platform up that keeps its data in a folder; TestMain closes it.
func Start(dir string) (*Platform, error) {
	p, err := platform.Start(context.Background(), platform.Config{DataDir: dir, Token: Token, SecretKey: secretKey, Bucket: Bucket})
	if err != nil {
		return nil, err
	}
	return &Platform{Platform: p}, nil
}

// NextJob is a number that no other job of this platform has.
func (p *Platform) NextJob() int64 { return p.jobs.Add(1) }

// Put stores an object.
func (p *Platform) Put(key string, body []byte) error {
	return p.Platform.Put(context.Background(), key, bytes.NewReader(body))
}

// Env is the environment of a job of three epochs.
func (p *Platform) Env(id, dataset, workspace string) Env {
	env := Env{
		"JOB_ID": id, "TASK_TYPE": "object_detection", "FRAMEWORK": "ultralytics", "MODEL_NAME": "yolo11n", "DATASET_ID": dataset, "EPOCHS": "3",
		"WORKSPACE_DIR": workspace, "AGENT_STOP_GRACE": "10s", "AGENT_FLUSH_TIMEOUT": "60s", "DEVICE": "cpu", "CHECKPOINT_FREQUENCY": "1",
	}
	maps.Copy(env, p.Platform.Env())
	return env
}

// Env is an environment by name.
type Env map[string]string

// Set sets variables, name by value; an empty value takes one away.
func (e Env) Set(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		e[pairs[i]] = pairs[i+1]
		if pairs[i+1] == "" {
			delete(e, pairs[i])
		}
	}
}

// Names lists the objects below a prefix, by their names there.
func (p *Platform) Names(t *testing.T, prefix string) (names []string) {
	t.Helper()
	objects, err := p.Objects(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		names = append(names, strings.TrimPrefix(o.Key, prefix))
	}
	return names
}

// Until waits until predicate holds for a job's callbacks, no longer than patience.
func (p *Platform) Until(t *testing.T, job string, patience time.Duration, predicate func([]backend.Call) bool) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return p.Backend.Wait(ctx, job, predicate)
}

// Ready holds when the scripted trainer is where the test wants it.
func Ready(calls []backend.Call) bool { return len(backend.Events(calls, "scripted_ready")) > 0 }

// Done is the one accepted final callback of a training job; log is what a test
// that misses it shows.
func (p *Platform) Done(t *testing.T, job string, log fmt.Stringer) (d contract.Done) {
	t.Helper()
	calls := backend.Accepted(p.Backend.Calls(job))
	finals := backend.Accepted(calls, contract.KindDone)
	if len(finals) != 1 {
		t.Fatalf("%d accepted done callbacks, want 1\n%s", len(finals), log)
	}
	if err := finals[0].Decode(&d); err != nil {
		t.Fatal(err)
	}
	if last := calls[len(calls)-1]; last.Kind != contract.KindDone {
		t.Errorf("%s came after done", last.Kind)
	}
	return d
}

// ExitCode waits for a command that was started.
func ExitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

// FreeAddress is a loopback address where nobody listened a moment ago.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
