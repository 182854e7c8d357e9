//go:build cgo && linux

package main

import (
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/vision-platform/trainer-agent/contract"
)

// A call that has lasted longer than slowCall is reported, and again every
// slowAgain; ours.
const (
	slowCall  = time.Second
	slowAgain = 5 * time.Second
)

// calls makes every call into the driver visible: which one hangs, and whether
// an older driver has it at all.
type calls struct {
	out *printer

	mu      sync.Mutex
	running map[int]*running // by a number of its own
	next    int
	has     map[string]bool
	lookup  func(symbol string) error // nil before the library is open
}

type running struct {
	name     string
	index    *int
	since    time.Time
	reported time.Time
	allow    time.Duration // by how much a call is meant to wait
}

func newCalls(out *printer) *calls {
	return &calls{out: out, running: map[int]*running{}, has: map[string]bool{}}
}

// do makes one call. A symbol that the driver lacks answers "function not found"
// instead of ending the process.
func (c *calls) do(symbol string, index *int, call func() nvml.Return) nvml.Return {
	return c.wait(symbol, index, 0, call)
}

func (c *calls) wait(symbol string, index *int, allow time.Duration, call func() nvml.Return) nvml.Return {
	if !c.known(symbol) {
		return nvml.ERROR_FUNCTION_NOT_FOUND
	}
	id := c.enter(&running{name: symbol, index: index, since: time.Now(), allow: allow})
	defer c.leave(id)
	return call()
}

func (c *calls) enter(r *running) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	c.running[c.next] = r
	return c.next
}

func (c *calls) leave(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, id)
}

// known asks the library once per symbol.
func (c *calls) known(symbol string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lookup == nil {
		return true // nvmlInit itself, which go-nvml chooses after it opened the library
	}
	has, ok := c.has[symbol]
	if !ok {
		has = c.lookup(symbol) == nil
		c.has[symbol] = has
	}
	return has
}

// watch prints what hangs, for as long as the process lives.
func (c *calls) watch() {
	for now := range time.Tick(slowCall / 2) {
		for _, line := range c.hanging(now) {
			c.out.print(line)
		}
	}
}

func (c *calls) hanging(now time.Time) []contract.ProbeLine {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []contract.ProbeLine
	for _, r := range c.running {
		lasted := now.Sub(r.since) - r.allow
		if lasted < slowCall || now.Sub(r.reported) < slowAgain {
			continue
		}
		r.reported = now
		lines = append(lines, contract.ProbeLine{Type: contract.ProbeBusy, Call: r.name, Index: r.index, ForMs: lasted.Milliseconds()})
	}
	return lines
}
