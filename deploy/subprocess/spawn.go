// Package subprocess is the example of docs/tiers.md: a backend that starts its
// jobs as subprocesses.
package subprocess

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Spawn starts an agent for the job, and the end of ctx cancels it: the agent stops
// the training and saves what there is. The caller waits for it.
func Spawn(ctx context.Context, job map[string]string, command []string, root string) (*exec.Cmd, error) {
	workspace := filepath.Join(root, "jobs", job["JOB_ID"]) // of this job alone; started again in it, the job goes on
	if err := os.MkdirAll(workspace, 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(workspace, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	agent := exec.CommandContext(ctx, "trainer-agent", append([]string{"run", "--"}, command...)...)
	agent.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "WORKSPACE_DIR=" + workspace, "AGENT_DATASET_CACHE_DIR=" + filepath.Join(root, "cache")}
	for name, value := range job {
		agent.Env = append(agent.Env, name+"="+value)
	}
	agent.Cancel = func() error { return agent.Process.Signal(syscall.SIGTERM) } // the agent, not its group
	agent.Stdout, agent.Stderr, agent.SysProcAttr = log, log, &syscall.SysProcAttr{Setsid: true}
	return agent, agent.Start()
}

// Outcome says what agent.ProcessState.ExitCode() means.
func Outcome(exitCode int) string {
	known := map[int]string{0: "succeeded", 1: "failed", 2: "ended, done is undelivered", 143: "stopped"}
	if text, ok := known[exitCode]; ok {
		return text
	}
	return "run it again" // 75, or the agent was killed
}
