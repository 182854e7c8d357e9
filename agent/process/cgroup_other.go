//go:build !linux

package process

import (
	"log/slog"
	"syscall"
)

type cgroup struct{}

func newCgroup(*slog.Logger) *cgroup { return nil }

func (g *cgroup) use(*syscall.SysProcAttr) bool { return false }
func (g *cgroup) unuse(*syscall.SysProcAttr)    {}
func (g *cgroup) kill()                         {}
func (g *cgroup) remove()                       {}
