package outbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/vision-platform/trainer-agent/contract"
)

// A platform is what a backend remembers of heartbeats: an epoch's metrics, each
// at its last value, and how things are now.
type platform struct {
	metrics map[int]map[string]any
	now     map[string]any
}

func (p *platform) apply(t rapid.TB, body []byte) {
	var h map[string]any
	if err := json.Unmarshal(body, &h); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	epoch := int(h["epoch"].(float64))
	if p.metrics[epoch] == nil {
		p.metrics[epoch] = map[string]any{}
	}
	if m, ok := h["metrics"].(map[string]any); ok {
		maps.Copy(p.metrics[epoch], m)
	}
	delete(h, "metrics")
	p.now = h
}

func newPlatform() *platform { return &platform{metrics: map[int]map[string]any{}} }

func TestMergingHeartbeatsHasTheSameEffectAsSendingOneAfterTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		beat := func(name string) []byte {
			h := map[string]any{"epoch": rapid.IntRange(1, 2).Draw(t, name+" epoch"), "progress": rapid.IntRange(0, 100).Draw(t, name+" progress")}
			if rapid.Bool().Draw(t, name+" has metrics") {
				h["metrics"] = rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.IntRange(0, 9)).Draw(t, name+" metrics")
			}
			b, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		earlier, later := beat("earlier"), beat("later")
		merged, ok := mergeHeartbeats(earlier, later)
		if !ok {
			return
		}
		both, one := newPlatform(), newPlatform()
		both.apply(t, earlier)
		both.apply(t, later)
		one.apply(t, merged)
		if !reflect.DeepEqual(both, one) {
			t.Fatalf("%s then %s leaves %v, merged %s leaves %v", earlier, later, both, merged, one)
		}
	})
}

func TestOnlyHeartbeatsOfOneEpochAreMerged(t *testing.T) {
	for _, c := range [][2]string{
		{`{"epoch":1}`, `{"epoch":2}`},
		{`{"epoch":1}`, `{"metrics":{}}`},
		{`{"progress":1}`, `{"progress":2}`},
		{`[1]`, `{"epoch":1}`},
		{`{"epoch":1,"metrics":[1]}`, `{"epoch":1}`},
	} {
		if merged, ok := mergeHeartbeats([]byte(c[0]), []byte(c[1])); ok {
			t.Errorf("%s and %s became %s", c[0], c[1], merged)
		}
	}
}

func TestABacklogOfBatchesKeepsEveryEpochsMetricsAndStaysSmall(t *testing.T) {
	virtual(t, func(int, http.ResponseWriter) {}, nil, func(t *testing.T, o *Outbox, s *tally, network *memnet) {
		network.setDown(true)
		want, rng := newPlatform(), rand.New(rand.NewPCG(1, 2))
		for epoch := range 20 {
			for batch := range 40 {
				m := message(contract.KindHeartbeat, map[string]any{
					"epoch": epoch, "progress": epoch*5 + batch/8, "metrics": map[string]int{fmt.Sprint("m", rng.IntN(9)): rng.IntN(100)},
				})
				want.apply(t, m.Body)
				appendAll(t, o, m)
			}
		}
		if p := o.Pending(); p.Depth > mergeAfter+20 || p.Merged == 0 {
			t.Errorf("%d messages wait after 800 heartbeats of 20 epochs", p.Depth)
		}
		network.setDown(false)
		flush(t, o)
		got := newPlatform()
		for _, body := range s.seen().bodies {
			got.apply(t, []byte(body))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the backend knows %v, want %v", got, want)
		}
	})
}

func TestOnlyTheLatestOfASlotWaits(t *testing.T) {
	virtual(t, func(int, http.ResponseWriter) {}, nil, func(t *testing.T, o *Outbox, s *tally, network *memnet) {
		network.setDown(true)
		for i := range 10 {
			if err := o.AppendLatest("a", event(fmt.Sprint("a", i))); err != nil {
				t.Fatal(err)
			}
			if err := o.AppendLatest("b", event(fmt.Sprint("b", i))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first is tried from here on
		}
		appendAll(t, o, event("between"))
		if err := o.AppendLatest("b", event("b-last")); err != nil {
			t.Fatal(err)
		}
		network.setDown(false)
		flush(t, o)
		var names []string
		for _, body := range s.seen().bodies {
			var e contract.Event
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			names = append(names, string(e.EventType))
		}
		// a0 was tried, so it is not taken back.
		if got := strings.Join(names, " "); got != "a0 a9 between b-last" {
			t.Errorf("arrived: %s", got)
		}
	})
}

func TestASlotIsFoundAgainAfterARestart(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir, options("http://backend.test"))
	if err := o.AppendLatest("a", event("old")); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	o = open(t, dir, options("http://backend.test"))
	if err := o.AppendLatest("a", event("new")); err != nil {
		t.Fatal(err)
	}
	if d := o.Pending().Depth; d != 1 {
		t.Errorf("%d messages wait, want 1", d)
	}
}
