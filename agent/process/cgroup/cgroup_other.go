//go:build !linux

package cgroup

import (
	"log/slog"
	"syscall"
)

type Group struct{}

func New(*slog.Logger) *Group { return nil }

func (g *Group) Use(*syscall.SysProcAttr) bool { return false }
func (g *Group) Unuse(*syscall.SysProcAttr)    {}
func (g *Group) Kill()                         {}
func (g *Group) Remove()                       {}
