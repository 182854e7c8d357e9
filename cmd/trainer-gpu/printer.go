//go:build cgo && linux

package main

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/vision-platform/trainer-agent/contract"
)

// printer writes one line at a time from several goroutines.
type printer struct {
	mu   sync.Mutex
	w    io.Writer
	once sync.Once
	end  sync.Once
	dead chan struct{}
}

func (p *printer) print(line contract.ProbeLine) {
	b, err := json.Marshal(line)
	if err != nil {
		return // not reached: every field has a JSON form
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.w.Write(append(b, '\n')); err != nil {
		p.end.Do(func() { close(p.broken()) })
	}
}

// broken is closed once nobody reads any more.
func (p *printer) broken() chan struct{} {
	p.once.Do(func() { p.dead = make(chan struct{}) })
	return p.dead
}
