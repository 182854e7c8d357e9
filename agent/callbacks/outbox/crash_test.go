package outbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func init() { roles["killed"] = killed }

// killed is the agent that is killed: it accepts messages as fast as it can,
// says so on stdout, and delivers them, until it dies.
func killed() error {
	opts := options(os.Getenv("OUTBOX_TEST_URL"))
	o, err := Open(os.Getenv("OUTBOX_TEST_DIR"), opts)
	if err != nil {
		return err
	}
	go func() { _ = o.Run(context.Background()) }()
	life, _ := strconv.Atoi(os.Getenv("OUTBOX_TEST_LIFE"))
	for n := 0; ; n++ {
		id := life*1_000_000 + n
		msg := event(strconv.Itoa(id))
		if n%5 == 4 { // one that takes several pages
			msg = message(msg.Kind, map[string]any{"event_type": strconv.Itoa(id), "data": map[string]string{"log": strings.Repeat("x", 60_000)}})
		}
		if err := o.Append(msg); err != nil {
			return err
		}
		fmt.Println(id) // accepted
	}
}

// A life is one run of the killed agent; it returns what was accepted.
func life(t *testing.T, dir, url string, number int, rng *rand.Rand) (accepted []int) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "OUTBOX_TEST_ROLE=killed", "OUTBOX_TEST_DIR="+dir, "OUTBOX_TEST_URL="+url,
		"OUTBOX_TEST_LIFE="+strconv.Itoa(number))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The moment: a little after some message, or at a time that may fall into opening.
	most := 1 + rng.IntN(20)
	kill := func() { _ = cmd.Process.Kill() }
	timer := time.AfterFunc(time.Hour, kill)
	if rng.IntN(4) == 0 {
		timer.Reset(time.Duration(rng.IntN(50_000)) * time.Microsecond)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		id, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("life %d: %s", number, lines.Text())
		}
		if accepted = append(accepted, id); len(accepted) == most {
			timer.Reset(time.Duration(rng.IntN(2_000)) * time.Microsecond)
		}
	}
	timer.Stop()
	kill()
	_ = cmd.Wait() // "signal: killed"
	if errs.Len() > 0 {
		t.Errorf("life %d: %s", number, errs.String())
	}
	return accepted
}

func TestKilledAtAnyMomentNothingAcceptedIsLostOrReordered(t *testing.T) {
	const workspaces, lives = 10, 25
	total, duplicates := 0, 0
	for w := range workspaces {
		rng := rand.New(rand.NewPCG(4, uint64(w)))
		b := newBackend(t, func(n int, rw http.ResponseWriter, _ *http.Request) {
			if n%7 == 3 {
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		dir := t.TempDir()
		var accepted []int
		for n := range lives {
			accepted = append(accepted, life(t, dir, b.URL, n, rng)...)
		}
		o := open(t, dir, options(b.URL))
		if aside := o.Pending().SetAside; len(aside) > 0 {
			t.Fatalf("workspace %d: a kill damaged the store: %v", w, aside)
		}
		run(t, o)
		flush(t, o)
		duplicates += checkDelivery(t, b.got(), accepted)
		total += len(accepted)
	}
	if total < workspaces*lives {
		t.Fatalf("only %d messages were accepted in %d lives", total, workspaces*lives)
	}
	t.Logf("%d kills, %d messages accepted, %d sent more than once", workspaces*lives, total, duplicates)
}

// checkDelivery compares what arrived with what was accepted. A message whose
// acceptance was cut off by the kill may or may not arrive.
func checkDelivery(t *testing.T, got []call, accepted []int) (duplicates int) {
	t.Helper()
	keyOf, idOf, arrived := map[int]string{}, map[string]int{}, map[int]bool{}
	newest := -1
	for _, r := range got {
		var e struct {
			EventType string `json:"event_type"`
		}
		if err := json.Unmarshal([]byte(r.body), &e); err != nil {
			t.Fatalf("the backend got %q: %v", r.body, err)
		}
		id, err := strconv.Atoi(e.EventType)
		if err != nil {
			t.Fatalf("the backend got %q", r.body)
		}
		if key, ok := keyOf[id]; ok && key != r.key {
			t.Errorf("message %d came as %s and as %s", id, key, r.key)
		}
		if other, ok := idOf[r.key]; ok && other != id {
			t.Errorf("the key %s stands for %d and %d", r.key, other, id)
		}
		if arrived[id] {
			duplicates++
		} else if id < newest {
			t.Errorf("message %d came after %d", id, newest)
		}
		keyOf[id], idOf[r.key], arrived[id], newest = r.key, id, true, max(newest, id)
	}
	for _, id := range accepted {
		if !arrived[id] {
			t.Errorf("message %d was accepted and never delivered", id)
		}
	}
	return duplicates
}
