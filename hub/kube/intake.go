package kube

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// intake is the door for pods: at an address that only one of them knows, its files are
// fetched, and once what it did is told. It knows nothing else of the hub.
type intake struct {
	mu      sync.Mutex
	waiting map[string]*transfer
}

// transfer is one command on its way to a pod and back.
type transfer struct {
	program string // of the step
	command runner.Command
	limits  runner.Limits
	started chan struct{} // closed when the step has begun to tell
	ended   chan error    // how it ended; one, which is kept

	mu       sync.Mutex
	begun    bool
	closed   chan struct{} // when nobody wants to hear any longer
	finished chan struct{} // closed when nothing more is written for the command
}

func newTransfer(program string, c runner.Command, limits runner.Limits) *transfer {
	return &transfer{program: program, command: c, limits: limits, started: make(chan struct{}), ended: make(chan error, 1), closed: make(chan struct{}), finished: make(chan struct{})}
}

// open gives a transfer an address, until it is closed.
func (i *intake) open(t *transfer) (path string, end func()) {
	path = "/" + rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.waiting == nil {
		i.waiting = map[string]*transfer{}
	}
	i.waiting[path] = t
	return path, func() {
		i.mu.Lock()
		delete(i.waiting, path)
		i.mu.Unlock()
		t.close()
	}
}

// ServeHTTP implements http.Handler.
func (i *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	t := i.waiting[r.URL.Path]
	i.mu.Unlock()
	switch {
	case t == nil:
		http.NotFound(w, r)
	case r.Method == http.MethodGet:
		t.give(w)
	case r.Method == http.MethodPost:
		t.serve(w, r)
	default:
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
	}
}

// give sends the files. Once the step has begun it has them, and only the package could ask.
func (t *transfer) give(w http.ResponseWriter) {
	t.mu.Lock()
	begun := t.begun
	t.mu.Unlock()
	if begun {
		http.Error(w, "they were fetched already", http.StatusConflict)
		return
	}
	defer t.cut(http.NewResponseController(w).SetWriteDeadline)()
	w.Header().Set("Content-Type", "application/x-tar")
	if err := pack(w, t.program, t.command, t.limits); err != nil {
		panic(http.ErrAbortHandler) // the pod sees that it was cut
	}
}

// cut ends a request when nobody wants it any longer, by its deadline; over says that it has
// ended by itself.
func (t *transfer) cut(deadline func(time.Time) error) (over func()) {
	ended := make(chan struct{})
	go func() {
		select {
		case <-t.closed:
			_ = deadline(time.Now())
		case <-ended:
		}
	}()
	return func() { close(ended) }
}

func (t *transfer) serve(w http.ResponseWriter, r *http.Request) {
	if !t.begin() {
		http.Error(w, "it was told already", http.StatusConflict)
		return
	}
	close(t.started)
	defer close(t.finished)
	defer t.cut(http.NewResponseController(w).SetReadDeadline)()
	t.ended <- t.hear(r.Body)
}

// begin says whether a step may tell: the first one may, as long as it is wanted.
func (t *transfer) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.closed:
		return false
	default:
	}
	first := !t.begun
	t.begun = true
	return first
}

// close ends the hearing; after it nothing is written for the command.
func (t *transfer) close() {
	t.mu.Lock()
	close(t.closed)
	begun := t.begun
	t.mu.Unlock()
	if begun {
		<-t.finished
	}
}

// hear reads what a step tells.
func (t *transfer) hear(from io.Reader) error {
	var told *result
	files, w := io.Pipe()
	kept := make(chan error, 1)
	unpacking := false
	defer func() {
		_ = w.CloseWithError(errCut)
		if unpacking {
			<-kept //nolint:errcheck // the reason is another one
		}
	}()
	for buffer := make([]byte, maxFrame); ; {
		kind, content, err := readFrame(from, buffer)
		if err != nil {
			return err
		}
		switch kind {
		case frameOut:
			err = write(t.command.Stdout, content)
		case frameErr:
			err = write(t.command.Stderr, content)
		case frameResult:
			told = &result{}
			err = json.NewDecoder(bytes.NewReader(content)).Decode(told)
		case frameFiles:
			if !unpacking {
				unpacking = true
				go func() {
					err := unpack(files, t.command, t.limits)
					if err == nil {
						_, err = io.Copy(io.Discard, files) // the padding of a tar
					}
					_ = files.CloseWithError(err) // nil: nobody writes any longer
					kept <- err
				}()
			}
			_, err = w.Write(content)
		case frameEnd:
			_ = w.Close()
			if unpacking {
				unpacking = false
				err = <-kept
			}
			if err == nil && told == nil {
				err = errors.New("the pod does not say how its command ended")
			}
			if err != nil {
				return err
			}
			return told.err()
		default:
			err = fmt.Errorf("the pod sends what is no frame: %q", kind)
		}
		if err != nil {
			return err
		}
	}
}

func write(to io.Writer, content []byte) error {
	if to == nil || len(content) == 0 {
		return nil
	}
	_, err := to.Write(content)
	return err
}

func (r *result) err() error {
	switch {
	case r.Over != nil:
		return r.Over
	case r.Fault != "":
		return errors.New("in the pod: " + r.Fault)
	case r.Exit != 0:
		return &runner.Exit{Code: r.Exit}
	}
	return nil
}

// maxConnections is far more than one pod needs, and less than what a package that opens as
// many as it can would cost the hub.
const maxConnections = 64

// serveIntake answers pods until ctx ends.
func serveIntake(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) && !strings.Contains(err.Error(), "closed network connection") {
		return fmt.Errorf("serving the intake of proofs: %w", err)
	}
	return nil
}
