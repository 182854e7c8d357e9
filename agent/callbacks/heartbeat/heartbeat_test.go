package heartbeat

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sent is what was accepted, and when.
type sent struct {
	began time.Time
	at    []time.Duration
	beats []contract.Message
	err   error
	fails int // how often err is returned; 0 means always
}

func (s *sent) send(m contract.Message) error {
	if s.err != nil {
		err := s.err
		if s.fails--; s.fails == 0 {
			s.err = nil
		}
		return err
	}
	s.at, s.beats = append(s.at, time.Since(s.began)), append(s.beats, m)
	return nil
}

func newPulse(t *testing.T, s *sent, change func(*Options)) *Pulse {
	t.Helper()
	s.began = time.Now()
	o := Options{Send: s.send}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func beat(epoch int, progress contract.Number) contract.Message {
	return contract.Message{Kind: contract.KindHeartbeat, Payload: contract.Heartbeat{Epoch: epoch, Progress: progress}}
}

func TestThePulseSpeaksOnlyWhenTheChildIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{}
		p := newPulse(t, s, func(o *Options) {
			o.Job = func() job.View { return job.View{Epoch: 20, Percent: 95, Phase: job.Phase{Name: "training"}} }
			o.Transfer = func() *contract.Transfer { return &contract.Transfer{What: "checkpoints", BytesDone: 5} }
			o.System = func() *contract.System { return &contract.System{Memory: &contract.Memory{UsedBytes: 9}} }
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		go func() {
			for epoch := range 20 { // for five minutes
				time.Sleep(15 * time.Second) // virtual
				p.Observe(beat(epoch+1, contract.Number(5*epoch)))
			}
			p.Observe(contract.Message{Kind: contract.KindEvent, Payload: contract.Event{EventType: "no heartbeat"}})
		}()
		if err := p.Run(ctx); err == nil {
			t.Error("the pulse ended by itself")
		}
		if len(s.at) != 9 && len(s.at) != 10 { // every 30 s in the five minutes of silence
			t.Fatalf("%d pulses at %v", len(s.at), s.at)
		}
		if s.at[0] != 5*time.Minute+Every {
			t.Errorf("the first pulse came at %v", s.at[0])
		}
		want := `{"epoch":20,"progress":95,"metrics":{},"system":{"memory":{"used_bytes":9}},"phase":"training",` +
			`"transfer":{"what":"checkpoints","bytes_done":5,"bytes_total":0,"bytes_per_second":0},"timestamp":"`
		if !strings.HasPrefix(string(s.beats[0].Body), want) {
			t.Errorf("the pulse is %s", s.beats[0].Body)
		}
	})
}

func TestThePulseEndsWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := errors.New("the job has ended")
		s := &sent{err: over}
		p := newPulse(t, s, func(o *Options) { o.Over = func(err error) bool { return errors.Is(err, over) } })
		if err := p.Run(t.Context()); err != nil {
			t.Errorf("the pulse ended with %v", err)
		}
	})
}

func TestAFullOutboxCostsOneBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{err: errors.New("full"), fails: 1}
		p := newPulse(t, s, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3*Every)
		defer cancel()
		_ = p.Run(ctx)
		if len(s.at) == 0 || s.at[0] != 2*Every {
			t.Errorf("beats at %v, want the second one", s.at)
		}
	})
}
