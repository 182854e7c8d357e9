package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/vision-platform/trainer-agent/agent/process/terminal"
)

// roles are what the test binary can be when it re-executes itself. Each says
// "ready" when it is, so no test needs to guess.
var roles = map[string]func(args []string) int{
	"init":       runInit,
	"exit":       exitWith,
	"ignoreTERM": ignoreTERM,
	"listen":     listen,
	"cat":        cat,
	"flood":      flood,
	"leak":       leak,
	"escape":     escape,
	"linger":     linger,
	"alternate":  alternate,
	"whoami":     whoami,
	"peek":       peek,
	"drop":       drop,
	"tty":        tty,
	"burn":       burn,
	"dumpable":   dumpable,
	"stubborn":   stubborn,
	"supervise":  superviseMany,
	"hog":        hog,
	"account":    account,
	"workshop":   workshop,
	"patient":    patient,
	"launcher":   launcher,
}

func ready() { fmt.Println("ready", os.Getpid()) }

// forever is longer than any test.
func forever() int {
	<-time.After(24 * time.Hour)
	return 0
}

// runInit is the agent's bare mode: grace, then the command.
func runInit(args []string) int {
	grace, err := time.ParseDuration(args[0])
	if err != nil {
		return 98
	}
	return Exec(context.Background(), args[1:], os.Environ(), grace)
}

func exitWith(args []string) int {
	code, _ := strconv.Atoi(args[0])
	return code
}

func ignoreTERM([]string) int {
	signal.Ignore(syscall.SIGTERM)
	ready()
	return forever()
}

// listen prints every signal that it gets, one number a line, and on SIGTERM how
// many of each; then it ends with 3.
func listen([]string) int {
	got := make(chan os.Signal, 256)
	signal.Notify(got)
	signal.Reset(syscall.SIGURG) // the runtime's own
	ready()
	count := map[syscall.Signal]int{}
	for s := range got {
		sig := s.(syscall.Signal)
		if sig == syscall.SIGURG {
			continue
		}
		count[sig]++
		fmt.Println("got", int(sig))
		if sig == syscall.SIGTERM {
			break
		}
	}
	for sig, n := range count {
		fmt.Println("count", int(sig), n)
	}
	return 3
}

func cat([]string) int {
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		return 1
	}
	return 0
}

// flood writes so many bytes without a newline, then a line, then ends.
func flood(args []string) int {
	left, _ := strconv.Atoi(args[0])
	piece := []byte(strings.Repeat("x", 1<<16))
	for left > 0 {
		n, err := os.Stdout.Write(piece[:min(left, len(piece))])
		if err != nil {
			return 1
		}
		left -= n
	}
	fmt.Println("\nafter the flood")
	return 0
}

// leak leaves a process behind that holds stdout, in a session of its own; the argument
// is a path of it with another name.
func leak(args []string) int {
	cmd := exec.Command("sleep", "infinity")
	if len(args) > 0 {
		cmd.Path = args[0]
	}
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 1
	}
	fmt.Println("ready", cmd.Process.Pid)
	return 5
}

// escape forks away twice, so that nothing but descent tells whose it is: a
// middle process in a session of its own starts the last one and ends.
func escape(args []string) int {
	if len(args) == 0 {
		ready()
		cmd := exec.Command(os.Args[0], "escape", "middle")
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Run(); err != nil {
			return 1
		}
		return forever()
	}
	cmd := exec.Command(os.Args[0], "ignoreTERM")
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 1
	}
	return 0
}

// linger is a trainer behind a shell: on SIGTERM it saves, which here takes until
// its parent is dead, then says so.
func linger([]string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	parent := os.Getppid()
	ready()
	<-term
	for os.Getppid() == parent {
		runtime.Gosched()
	}
	fmt.Println("saved")
	return 0
}

// besideASleeper starts a worker without a handler in the same group.
func besideASleeper() *exec.Cmd {
	cmd := exec.Command("sleep", "infinity")
	if err := cmd.Start(); err != nil {
		os.Exit(90)
	}
	return cmd
}

// workshop is a trainer that needs its worker to save: on SIGTERM it says whether
// the worker is alive, ends it, and ends with 3.
func workshop([]string) int {
	term := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM)
	worker := besideASleeper()
	ready()
	<-term
	left, err := syscall.Wait4(worker.Process.Pid, nil, syscall.WNOHANG, nil)
	fmt.Println("worker lives:", left == 0 && err == nil)
	_ = worker.Process.Kill()
	_ = worker.Wait()
	return 3
}

// patient waits on SIGTERM for its worker to end, which it does not ask itself.
func patient([]string) int {
	term := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM)
	worker := besideASleeper()
	ready()
	<-term
	_ = worker.Wait()
	fmt.Println("worker gone")
	return 3
}

// launcher passes SIGTERM on to the rank that it started, as torchrun does.
func launcher([]string) int {
	term := make(chan os.Signal, 8)
	signal.Notify(term, syscall.SIGTERM)
	rank := exec.Command(os.Args[0], "listen")
	rank.Stdout = os.Stdout
	if err := rank.Start(); err != nil {
		return 90
	}
	<-term
	_ = rank.Process.Signal(syscall.SIGTERM)
	_ = rank.Wait()
	return 3
}

func alternate(args []string) int {
	n, _ := strconv.Atoi(args[0])
	for i := range n {
		out := os.Stdout
		if i%2 == 1 {
			out = os.Stderr
		}
		if _, err := fmt.Fprintln(out, i); err != nil {
			return 1
		}
	}
	return 0
}

func whoami(args []string) int {
	groups, _ := os.Getgroups()
	fmt.Println("uid", os.Getuid(), "gid", os.Getgid(), "groups", groups)
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "NoNewPrivs:") || strings.HasPrefix(line, "CapEff:") {
			fmt.Println(strings.Join(strings.Fields(line), " "))
		}
	}
	nice, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
	fmt.Println("nice", 20-nice)
	for _, path := range args {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		fmt.Println("open", path, err == nil)
		_ = f.Close()
	}
	return 0
}

// tty says what its terminal is like, again whenever its size changes, and echoes
// the lines that it reads.
func tty([]string) int {
	winch := make(chan os.Signal, 8)
	signal.Notify(winch, syscall.SIGWINCH)
	size := func() {
		w, h, err := term.GetSize(1)
		fmt.Println("terminal", term.IsTerminal(0), term.IsTerminal(1), term.IsTerminal(2), w, h, err)
	}
	size()
	go func() {
		for range winch {
			size()
		}
	}()
	fmt.Println("foreground", terminal.ForegroundOf(os.Stdin) == unix.Getpgrp())
	ready()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("line", lines.Text())
	}
	return 0
}

func burn([]string) int {
	ready()
	for {
		runtime.Gosched()
	}
}

// dumpable answers the dump signal; its own child would die of it.
func dumpable([]string) int {
	dump := make(chan os.Signal, 1)
	signal.Notify(dump, syscall.SIGUSR1)
	cmd := exec.Command("sleep", "infinity")
	if err := cmd.Start(); err != nil {
		return 1
	}
	ready()
	<-dump
	fmt.Println("dumped; child lives:", syscall.Kill(cmd.Process.Pid, 0) == nil)
	return forever()
}

// stubborn ignores everything that can be ignored and stops itself.
func stubborn([]string) int {
	signal.Ignore()
	ready()
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	return forever()
}

// peek tries to look into its parent, and into itself.
func peek([]string) int {
	parent := "/proc/" + strconv.Itoa(os.Getppid())
	opens := func(path string) bool {
		raw, err := os.ReadFile(path)
		return err == nil && len(raw) > 0
	}
	mem, err := os.Open(parent + "/mem")
	_ = mem.Close()
	fmt.Printf("environ %t mem %t maps %t; own %t\n",
		opens(parent+"/environ"), err == nil, opens(parent+"/maps"), opens("/proc/self/environ"))
	return 0
}

// drop is an agent that tries to start a child as somebody else.
func drop(args []string) int {
	var id Identity
	if _, err := fmt.Sscanf(args[0], "%d:%d", &id.UID, &id.GID); err != nil {
		return 90
	}
	s, err := NewSupervisor(Options{})
	if err != nil {
		return 91
	}
	_, err = s.Start(Spec{Args: []string{"/bin/true"}, RunAs: &id, Stdout: newWatched()})
	fmt.Println(execStatus(err), err)
	return 0
}
