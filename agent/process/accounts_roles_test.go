package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/monitor/memory"
	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// superviseMany is an agent below which so many processes are orphaned while it
// starts children whose exit codes it knows.
func superviseMany(args []string) int {
	orphans, _ := strconv.Atoi(args[0])
	s, err := NewSupervisor(Options{})
	if err != nil {
		return 90
	}
	// The subshell starts a process in the background and ends: that one is ours.
	script := "i=0; while [ $i -lt " + args[0] + " ]; do (: & ); i=$((i+1)); done"
	storm, err := s.Start(Spec{Args: []string{"/bin/sh", "-c", script}, Main: true})
	if err != nil {
		return 91
	}
	wrong, known := 0, 0
	for running := true; running; known++ {
		want := known % 100
		c, err := s.Start(Spec{Args: []string{"/bin/sh", "-c", "exit " + strconv.Itoa(want)}})
		if err != nil || c.Status().ExitCode != want {
			wrong++
		}
		select {
		case <-storm.Done():
			running = false
		default:
		}
	}
	for {
		changed := s.event()
		if s.Orphans() >= orphans {
			break
		}
		<-changed
	}
	fmt.Println("orphans", s.Orphans(), "zombies", zombies(), "wrong", wrong, "enough", known > 10)
	if err := s.Close(); err != nil {
		return 92
	}
	return 0
}

// zombies counts the dead that this process has not reaped.
func zombies() int {
	all, err := table.Read()
	if err != nil {
		return -1
	}
	n := 0
	for _, p := range all {
		if p.PPID == os.Getpid() && p.Dead() {
			n++
		}
	}
	return n
}

// hog uses another 4 MiB for every byte of its input, and says when it has them.
func hog([]string) int {
	var kept [][]byte
	step := make([]byte, 1)
	for {
		if _, err := os.Stdin.Read(step); err != nil {
			return 1
		}
		piece := make([]byte, 4<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		kept = append(kept, piece)
		fmt.Println(len(kept))
	}
}

// account is an agent that enters a cgroup, lets a child use all its memory, and
// says what the kernel's account tells. It waits while the child grows: a process
// that allocates at the limit while a killed one is still being taken apart is
// killed, too (seen on 6.18: the victim has no mm any more but its pages are still
// charged).
func account(args []string) int {
	if err := os.WriteFile(filepath.Join(args[0], "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		fmt.Println(err)
		return 90
	}
	s, err := NewSupervisor(Options{NoCgroup: true})
	if err != nil {
		return 91
	}
	before, err := memory.Read()
	fmt.Println("limit", before.Limit, err)
	grown := make(steps)
	c, err := s.Start(Spec{
		Args: self("hog"), Env: os.Environ(), Main: true, OOMScoreAdj: 500, StdinPipe: true, Stdout: grown,
	})
	if err != nil {
		return 92
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	memory.Watch{Warn: func(level int, _ host.Memory) { fmt.Println("warned", level) }, Read: func() (host.Memory, error) {
		_, _ = c.Stdin().Write([]byte("+"))
		select {
		case <-grown:
			return memory.Read()
		case <-c.Done():
			cancel()
			return host.Memory{}, io.EOF
		}
	}}.Run(ctx)
	after, _ := memory.Read()
	killed, known := after.KilledSince(before)
	fmt.Println("status", c.Status(), "killed", killed, known)
	if err := s.Close(); err != nil {
		return 93
	}
	return 0
}

type steps chan struct{}

func (s steps) Write(b []byte) (int, error) {
	s <- struct{}{}
	return len(b), nil
}
