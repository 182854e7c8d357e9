package telemetry

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/contract"
)

// TerminationLog is where Kubernetes looks for a container's termination message.
const TerminationLog = "/dev/termination-log"

// maxTermination is what the kubelet reads of it.
const maxTermination = 4096

// Termination is the termination message at Path, if the file is there (the kubelet
// makes it); elsewhere, and without a Path, it does nothing.
type Termination struct {
	Path    string
	Secrets *redact.Redactor

	mu    sync.Mutex
	final bool
}

// Early leaves a message for the case that there is no end to write one at.
func (t *Termination) Early(r contract.Result) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.final {
		return nil
	}
	return t.write(t.Secrets.JSON(terminationMessage(r)))
}

// Clear takes an early message back.
func (t *Termination) Clear() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.final {
		return nil
	}
	return t.write(nil)
}

// Final leaves the message that counts.
func (t *Termination) Final(r contract.Result) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.final = true
	return t.write(t.Secrets.JSON(terminationMessage(r)))
}

// write opens no pipe that would hold the agent and follows no link: where the kubelet
// made no file, a training that is root may have put one there.
func (t *Termination) write(message []byte) error {
	f, err := os.OpenFile(t.Path, os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil //nolint:nilerr // no file, no Kubernetes
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // none of the kubelet's
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("emptying the termination message: %w", err)
	}
	if _, err := f.Write(message); err != nil {
		return fmt.Errorf("writing the termination message: %w", err)
	}
	return nil
}

// terminationMessage is the result without what makes it long, as JSON of at
// most 4 KiB. Evidence goes first, from its end: the most telling stands first. The
// failure itself goes last.
func terminationMessage(r contract.Result) []byte {
	r.Artifacts, r.FinalMetrics = nil, nil
	if r.Error != nil {
		short := *r.Error
		short.Evidence = clip(short.Evidence, 10, 300)
		short.Message, short.Hint = clipText(short.Message, 800), clipText(short.Hint, 300)
		r.Error = &short
	}
	r.Warnings = clip(r.Warnings, 3, 100)
	if len(r.NotUploaded) > 3 {
		r.NotUploaded = r.NotUploaded[:3]
	}
	for {
		b, err := json.Marshal(r)
		switch {
		case err == nil && len(b) <= maxTermination:
			return b
		case r.Error != nil && len(r.Error.Evidence) > 0:
			r.Error.Evidence = r.Error.Evidence[:len(r.Error.Evidence)-1]
		case len(r.NotUploaded)+len(r.Warnings) > 0: // their reasons may be long
			r.NotUploaded, r.Warnings = nil, nil
		default:
			return []byte(clipText(fmt.Sprintf(`{"job_id":%q,"status":%q,"exit_code":%d}`, r.JobID, r.Status, r.ExitCode), maxTermination))
		}
	}
}

func clip(lines []string, n, length int) []string {
	out := make([]string, 0, n)
	for _, l := range lines[:min(n, len(lines))] {
		out = append(out, clipText(l, length))
	}
	return out
}

func clipText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "…"
}
