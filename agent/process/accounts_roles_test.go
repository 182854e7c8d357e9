package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
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
	table, err := processTable()
	if err != nil {
		return -1
	}
	n := 0
	for _, p := range table {
		if p.PPID == os.Getpid() && p.dead() {
			n++
		}
	}
	return n
}

// hog uses memory until it is killed.
func hog([]string) int {
	var kept [][]byte
	for {
		piece := make([]byte, 1<<20)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		kept = append(kept, piece)
		if len(kept) > 1<<12 {
			return 1
		}
	}
}

// account is an agent that enters a cgroup, lets a child use all its memory, and
// says what the kernel's account tells.
func account(args []string) int {
	if err := os.WriteFile(filepath.Join(args[0], "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		fmt.Println(err)
		return 90
	}
	s, err := NewSupervisor(Options{NoCgroup: true})
	if err != nil {
		return 91
	}
	before, err := ReadMemory()
	fmt.Println("limit", before.Limit, err)
	warned := make(chan int, 8)
	watch := MemoryWatch{Read: ReadMemory, Every: time.Millisecond, Warn: func(level int, m Memory) {
		warned <- level
	}}
	go watch.Run(s.Stopping())
	c, err := s.Start(Spec{Args: self("hog"), Env: os.Environ(), Main: true, OOMScoreAdj: 500})
	if err != nil {
		return 92
	}
	fmt.Println("status", c.Status())
	after, _ := ReadMemory()
	killed, known := after.KilledSince(before)
	fmt.Println("killed", killed, known, "warned", <-warned)
	if err := s.Close(); err != nil {
		return 93
	}
	return 0
}
