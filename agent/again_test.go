package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/cluster"
	"github.com/vision-platform/trainer-agent/contract"
)

// succeeded is a workspace in which a run ended well and was killed before it
// could tell the backend; the options are those of the next run.
func succeeded(t *testing.T, backend http.HandlerFunc) Options {
	t.Helper()
	o := jobWith(t, backend, map[string]string{"AGENT_FLUSH_TIMEOUT": "1h", "AGENT_STOP_GRACE": "1s"})
	token := func() (string, error) { return "the-callback-token", nil }
	box, err := outbox.Open(filepath.Join(o.Config.WorkspaceDir, ".agent", "outbox"), outbox.Options{JobID: "job-1", Backend: outbox.Backend{URL: string(o.Config.BaseURL), Token: outbox.Token{Read: token}}})
	if err != nil {
		t.Fatal(err)
	}
	done, err := contract.NewMessage(contract.KindDone, contract.Done{Status: contract.StatusSucceeded}, time.Now())
	if err == nil {
		err = box.AppendFinal(done)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestWhatAnEarlierRunLeftIsNoLongerSentAfterARequestToStop(t *testing.T) {
	for name, tell := range map[string]func(context.CancelFunc) error{
		"by the caller": func(cancel context.CancelFunc) error { cancel(); return nil },
		"by a signal":   func(context.CancelFunc) error { return syscall.Kill(os.Getpid(), syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := succeeded(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if err := tell(cancel); err != nil {
					t.Error(err)
				}
				<-r.Context().Done() // a backend that never answers
			})
			ended := make(chan int)
			go func() { ended <- Run(ctx, o) }()
			select {
			case code := <-ended:
				if code != contract.ExitUndelivered {
					t.Errorf("exit code %d, want %d", code, contract.ExitUndelivered)
				}
			case <-time.After(time.Minute):
				t.Fatal("it goes on")
			}
			if _, err := os.Stat(filepath.Join(o.Config.WorkspaceDir, "bucket", contract.UndeliveredKey("job-1"))); err != nil {
				t.Error(err)
			}
		})
	}
}

// The backend is there again when the job is run again, and as quick as can be.
func TestAJobThatOnlyCouldNotTellIsNotTrainedAgain(t *testing.T) {
	told := make(chan struct{}, 10)
	o := succeeded(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		told <- struct{}{}
	})
	o.Command = []string{"false"}
	if code := Run(t.Context(), o); code != contract.ExitOK || len(told) != 1 {
		t.Errorf("exit code %d after %d callbacks, want %d after one", code, len(told), contract.ExitOK)
	}
}

// The others lost node 0 before they knew how the job ended.
func TestTheOtherMachinesHearHowAnEarlierRunEnded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // node 0 will have this port
	_, port, _ := net.SplitHostPort(address)
	for name, value := range map[string]string{"NNODES": "2", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "AGENT_NODE_PORT": port} {
		t.Setenv(name, value)
	}
	o := succeeded(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	heard := make(chan *cluster.Verdict)
	go func() {
		defer close(heard)
		member, err := cluster.Join(t.Context(), cluster.Options{
			JobID: "job-1", Rank: 1, Nodes: 2, Address: address, Timeout: time.Minute, Wait: time.Minute,
			Key: func() (string, error) { return "the-callback-token", nil },
		})
		if err != nil {
			t.Error(err)
			return
		}
		defer member.Close()
		heard <- member.Verdict(t.Context())
	}()
	if code := Run(t.Context(), o); code != contract.ExitOK {
		t.Errorf("exit code %d", code)
	}
	if v := <-heard; v == nil || v.Exit != contract.ExitOK {
		t.Errorf("the other machine heard %+v", v)
	}
}
