package process

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// roles are what the test binary can be when it re-executes itself. Each says
// "ready" when it is, so no test needs to guess.
var roles = map[string]func(args []string) int{
	"exit":       exitWith,
	"ignoreTERM": ignoreTERM,
}

func ready() { fmt.Println("ready") }

func exitWith(args []string) int {
	code, _ := strconv.Atoi(args[0])
	return code
}

func ignoreTERM([]string) int {
	signal.Ignore(syscall.SIGTERM)
	ready()
	select {}
}

func self(role string) []string { return append(os.Environ(), roleVariable+"="+role) }
