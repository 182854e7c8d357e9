package gpu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// session is one probe's life: every line resets its deadline.
type session struct {
	m     *Monitor
	probe Probe
	spoke bool // any line came
	fatal *contract.ProbeLine
	busy  *contract.ProbeLine // the call that has not returned yet
}

// session starts a probe and follows it to its end.
func (m *Monitor) session(ctx context.Context) ending {
	args := []string{m.opts.ProbePath, "-period", m.opts.Period.String()}
	probe, err := m.opts.Start(ctx, args, ProbeEnv(m.opts.Env))
	if err != nil {
		return ending{reason: fmt.Sprintf("the probe can't be started%s: %s", whyNot(m.opts.ProbePath, err), why(err))}
	}
	s := &session{m: m, probe: probe}
	lines := make(chan contract.ProbeLine)
	quit := make(chan struct{})
	defer close(quit)
	crew.Go(func() { read(probe.Stdout(), lines, quit) })
	return s.follow(ctx, lines)
}

// why leaves out the code of a failure, which is about a training.
func why(err error) string {
	if f, ok := errors.AsType[*contract.Failure](err); ok {
		return f.Message
	}
	return err.Error()
}

// whyNot: the kernel says "no such file" of a program whose loader is missing.
func whyNot(probe string, err error) string {
	if _, statErr := os.Stat(probe); statErr == nil && errors.Is(err, fs.ErrNotExist) {
		return " (there is no glibc in this image)"
	}
	return ""
}

// read decodes the probe's lines; one that is not JSON is left out. It ends with
// the output, or when nobody listens any more.
func read(r io.Reader, lines chan<- contract.ProbeLine, quit <-chan struct{}) {
	defer close(lines)
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 16<<10), maxLine)
	for sc.Scan() {
		line, ok := decode(sc.Bytes())
		if !ok {
			continue
		}
		select {
		case lines <- line:
		case <-quit:
			_, _ = io.Copy(io.Discard, r) // the writer must not be left blocked
			return
		}
	}
}

func decode(b []byte) (contract.ProbeLine, bool) {
	var line contract.ProbeLine
	if json.Unmarshal(b, &line) != nil || line.Type == "" {
		return line, false
	}
	return line, true
}

func (s *session) follow(ctx context.Context, lines <-chan contract.ProbeLine) ending {
	limit := s.m.opts.Period + s.m.patience
	deadline := time.NewTimer(limit + initExtra)
	defer deadline.Stop()
	since := time.Now()
	attribute := time.NewTimer(attributeFirst)
	defer attribute.Stop()
	for {
		select {
		case <-ctx.Done():
			s.end()
			return ending{reason: "the agent ends"}
		case <-deadline.C:
			return s.silent(time.Since(since))
		case <-s.m.begun:
			attribute.Reset(attributeFirst)
		case <-attribute.C:
			s.m.attribute()
			attribute.Reset(attributeEvery)
		case line, ok := <-lines:
			if !ok {
				return s.ended()
			}
			if s.take(line) {
				since = time.Now()
				deadline.Reset(limit)
			}
		}
	}
}

// take hands a line on and says whether it is a sign of life. A busy line is
// none: the probe lives, but the driver does not answer.
func (s *session) take(line contract.ProbeLine) bool {
	s.spoke = true
	switch line.Type {
	case contract.ProbeBusy:
		s.busy = &line
		return false
	case contract.ProbeFatal:
		s.fatal = &line
		return true
	}
	s.busy = nil
	s.m.raise(s.m.accept(line, time.Now()))
	if line.Type == contract.ProbeEvent {
		s.m.attribute() // after the event was told: it must not wait for the scan
	}
	return true
}

// silent: the driver hangs. The probe is ended; one that can't be ended is given
// up, and a second one is never started beside it.
func (s *session) silent(limit time.Duration) ending {
	call, blocked := "the probe's call", limit
	if s.busy != nil {
		call, blocked = s.busy.Call, max(limit, time.Duration(s.busy.ForMs)*time.Millisecond)
	}
	message := fmt.Sprintf("The NVIDIA driver has not answered %s for %.0f s", call, blocked.Seconds())
	s.m.raise([]contract.GPUFault{{Kind: contract.GPUDriver, Index: -1, Fatal: true, Time: time.Now(), Message: message}})
	if !s.kill() {
		return ending{reason: message + "; the probe can't be ended and is given up"}
	}
	return ending{reason: message, again: true}
}

// ended: the output is over, so the process is gone or as good as gone.
func (s *session) ended() ending {
	if !s.wait(stopWait) && !s.kill() {
		return ending{reason: "the probe closed its output and can't be ended"}
	}
	if s.fatal != nil {
		reason := s.fatal.Reason
		if reason == "" {
			reason = fmt.Sprintf("%s failed with code %d", s.fatal.Call, s.fatal.Ret)
		}
		return ending{reason: reason, again: s.m.seen()}
	}
	code := s.probe.ExitCode()
	if !s.spoke && code < 128 {
		return ending{reason: fmt.Sprintf("the probe can't run here (exit code %d without a word; another libc, an older glibc or a missing library)", code), again: s.m.seen()}
	}
	return ending{reason: fmt.Sprintf("the probe ended with code %d", code), again: true}
}

// seen: GPUs were there once, so a driver that is gone may come back.
func (m *Monitor) seen() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fleet.count > 0
}

// end asks the probe to leave, then makes it.
func (s *session) end() {
	s.probe.CloseStdin()
	if !s.wait(stopWait) {
		s.kill()
	}
}

// kill reports whether the process is gone: one inside a hung driver call
// survives even SIGKILL.
func (s *session) kill() bool {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = s.probe.Signal(sig) // gone already is as good
		if s.wait(stopWait) {
			return true
		}
	}
	return false
}

func (s *session) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.probe.Done():
		return true
	case <-t.C:
		return false
	}
}
