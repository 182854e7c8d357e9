package kit

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	maxCallback       = 32 << 20 // bytes
	deskHeaderTimeout = 10 * time.Second
	deskCloseTimeout  = 5 * time.Second
)

// Callback is one line of the record: what the platform would have been told.
type Callback struct {
	Kind contract.Kind   `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// Desk stands in for the platform's backend where there is none: on loopback, for
// one run, it accepts every callback and writes it to a file of JSON lines.
type Desk struct {
	URL   string
	Token string

	server *http.Server
	served chan error
	mu     sync.Mutex
	record *os.File
	counts map[contract.Kind]int
	failed error // of the record
}

// OpenDesk starts to listen. The file is made again; its folder must be there.
func OpenDesk(ctx context.Context, record string) (*Desk, error) {
	file, err := os.Create(filepath.Clean(record))
	if err != nil {
		return nil, fmt.Errorf("recording the callbacks: %w", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for the callbacks: %w", err), file.Close())
	}
	d := &Desk{
		URL: "http://" + listener.Addr().String(), Token: rand.Text(), record: file,
		served: make(chan error, 1), counts: map[contract.Kind]int{},
	}
	mux := http.NewServeMux()
	for _, kind := range contract.Kinds {
		mux.HandleFunc("POST "+kind.Pattern(), func(w http.ResponseWriter, r *http.Request) { d.accept(w, r, kind) })
	}
	d.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: deskHeaderTimeout,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // the agent at the other end tells of what it could not deliver
	}
	go func() { d.served <- d.server.Serve(listener) }()
	return d, nil
}

func (d *Desk) accept(w http.ResponseWriter, r *http.Request, kind contract.Kind) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(contract.HeaderAuthorization)), []byte("Bearer "+d.Token)) != 1 {
		http.Error(w, "wrong token", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if err != nil || !json.Valid(body) {
		http.Error(w, "the body is no JSON", http.StatusUnprocessableEntity)
		return
	}
	d.mu.Lock()
	d.counts[kind]++
	if err := json.NewEncoder(d.record).Encode(Callback{kind, body}); err != nil {
		d.failed = fmt.Errorf("recording the callbacks: %w", err)
	}
	d.mu.Unlock()
	_, _ = io.WriteString(w, `{"status": "ok"}`) // who is best is left to the relay
}

// Summary counts the callbacks: "3 heartbeat, 3 validation, 1 done".
func (d *Desk) Summary() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var parts []string
	for _, kind := range contract.Kinds {
		if n := d.counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// Close ends the desk and its record.
func (d *Desk) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), deskCloseTimeout)
	defer cancel()
	err := d.server.Shutdown(ctx)
	if err != nil {
		err = d.server.Close()
	}
	if served := <-d.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(err, d.failed, d.record.Close())
}

// Measured is what a test run found, by its record: "accuracy 0.95, f1 0.9". It is empty
// for jobs that measure nothing at their end.
func Measured(record string) string {
	calls, err := ReadCallbacks(record)
	if err != nil {
		return ""
	}
	var parts []string
	for _, c := range calls {
		var done contract.TestRunDone
		if c.Kind != contract.KindTestRunDone || json.Unmarshal(c.Body, &done) != nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(done.OverallMetrics)) {
			parts = append(parts, fmt.Sprintf("%s %.4g", name, float64(done.OverallMetrics[name])))
		}
	}
	return strings.Join(parts, ", ")
}

// ReadCallbacks reads a record.
func ReadCallbacks(record string) ([]Callback, error) {
	file, err := os.Open(filepath.Clean(record))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return decodeCallbacks(file)
}

func decodeCallbacks(record io.Reader) ([]Callback, error) {
	var calls []Callback
	for in := json.NewDecoder(record); ; {
		var c Callback
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			return calls, nil
		} else if err != nil {
			return calls, fmt.Errorf("reading the record of the callbacks: %w", err)
		}
		calls = append(calls, c)
	}
}
