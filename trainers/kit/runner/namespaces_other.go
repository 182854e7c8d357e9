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
	return nil, errors.New("isolation by namespaces needs Linux: take a container, or the level process for a package that you trust")
}

// Close does nothing.
func (*Namespaces) Close() error { return nil }
