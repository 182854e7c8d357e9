//go:build !linux

package runner

import (
	"context"
	"errors"
)

// Namespaces exist on Linux alone.
type Namespaces struct{ Process }

// NewNamespaces says so.
func NewNamespaces(context.Context) (*Namespaces, error) {
	return nil, errors.New("isolation by namespaces needs Linux: take the level process for a package that you trust")
}

// Close does nothing.
func (*Namespaces) Close() error { return nil }

// Container is tried on Linux alone: elsewhere an engine runs on a virtual machine, which
// has neither this machine's folders nor its trainer-agent.
type Container struct{ Process }

// NewContainer says so.
func NewContainer(context.Context, string) (*Container, error) {
	return nil, errors.New("isolation in a container needs Linux: take the level process for a package that you trust")
}

// Engine is none.
func (*Container) Engine() string { return "" }

// Close does nothing.
func (*Container) Close() error { return nil }
