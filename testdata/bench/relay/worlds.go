package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// A world is one state of the backend.
type world struct {
	name    string
	url     string
	hung    bool          // posting directly takes the client's ten seconds
	relayed *atomic.Int64 // messages that the relay delivered
	close   func()
}

func worlds() ([]world, error) {
	all := []world{server("healthy, on this machine", 0), server("healthy, answers in 200 ms", 200*time.Millisecond)}
	for _, make := range []func() (world, error){dead, hanging} {
		w, err := make()
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

func server(name string, wait time.Duration) world {
	w := world{name: name, relayed: &atomic.Int64{}}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(wait)
		if r.Header.Get(contract.HeaderIdempotencyKey) != "" {
			w.relayed.Add(1)
		}
		_ = json.NewEncoder(rw).Encode(contract.ValidationReply{Status: "ok"})
	}))
	w.url, w.close = srv.URL, srv.Close
	return w
}

// dead is a port where nobody listens.
func dead() (world, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return world{}, err
	}
	url := "http://" + l.Addr().String()
	return world{name: "dead", url: url, relayed: &atomic.Int64{}, close: func() {}}, l.Close()
}

// hanging takes connections and requests and never answers.
func hanging() (world, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return world{}, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	return world{"hanging", "http://" + l.Addr().String(), true, &atomic.Int64{}, func() { _ = l.Close() }}, nil
}
