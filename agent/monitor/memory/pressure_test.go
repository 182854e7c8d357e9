package memory

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

type notes struct{ say func(string) }

func (n notes) Full(int, host.Memory) { n.say("noted") }
func (n notes) Eased()                { n.say("eased") }

func TestMemoryThatIsNearlyFullIsNotedOnDiskBeforeItIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		events := job.NewEvents(slog.New(slog.DiscardHandler), time.Now, "")
		events.Send(func(e contract.Event) {
			order = append(order, string(e.EventType)+": "+e.Message)
		})
		watch := Watching(func() (host.Memory, error) { return host.Memory{Used: 92 << 30, Limit: 100 << 30}, nil }, events,
			notes{func(said string) { order = append(order, said) }}, slog.New(slog.DiscardHandler))
		if err := watch.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // virtual
		if err := watch.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(order) != 2 || order[0] != "noted" || !strings.HasPrefix(order[1], string(contract.EventResourceWarning)+": Memory is at 90 %") {
			t.Errorf("%q", order)
		}
	})
}
