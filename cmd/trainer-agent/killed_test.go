package main_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// posterVariable makes the test binary play the trainer that numbers what it
// posts: a fifo into which it writes the number of everything it had a 2xx for.
const posterVariable = "POSTER_FIFO"

// perLife keeps the numbers of a hundred lives within the epochs that the relay takes,
// and is more than one life can post.
const perLife = 10_000

// poster posts heartbeats, events and validations in turn, numbered from
// POSTER_LIFE times perLife on. It ends after POSTER_COUNT, with a checkpoint and its
// done, or else with the agent.
func poster(fifo string) error {
	said, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	life, _ := strconv.Atoi(os.Getenv("POSTER_LIFE"))
	count, _ := strconv.Atoi(os.Getenv("POSTER_COUNT"))
	for n := 0; count == 0 || n < count; n++ {
		id := life*perLife + n
		if err := post(numbered(id)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(said, id); err != nil {
			return err
		}
	}
	if err := saveCheckpoint(); err != nil {
		return err
	}
	if err := post(contract.KindDone, `{"status":"succeeded","final_metrics":{"accuracy":0.9}}`); err != nil {
		return err
	}
	_, err = fmt.Fprintln(said, "done")
	if os.Getenv("POSTER_STAYS") != "" {
		<-context.Background().Done()
	}
	return err
}

// numbered is the message of a number; every message says its number as "n".
func numbered(id int) (contract.Kind, string) {
	switch id % 3 {
	case 0:
		return contract.KindHeartbeat, fmt.Sprintf(`{"epoch":%d,"progress":50,"metrics":{"n":%d}}`, id, id)
	case 1:
		return contract.KindEvent, fmt.Sprintf(`{"event_type":"numbered","message":"","data":{"n":%d,"log":%q}}`, id, strings.Repeat("x", id%7*3000))
	}
	return contract.KindValidation, fmt.Sprintf(`{"epoch":%d,"primary_metric_name":"mAP50-95","primary_metric_value":0.5,"metrics":{"mAP50-95":0.5,"n":%d},"num_images_validated":8}`, id, id)
}

func post(kind contract.Kind, body string) error {
	req, err := http.NewRequest(http.MethodPost, os.Getenv("BACKEND_BASE_URL")+kind.Path(os.Getenv("JOB_ID")), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("CALLBACK_TOKEN"))
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if said, _ := io.ReadAll(answer.Body); answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %d: %s", kind, answer.StatusCode, said)
	}
	return nil
}

func saveCheckpoint() error {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	if f, err := w.CreateHeader(&zip.FileHeader{Name: "archive/data.pkl", Method: zip.Store}); err == nil {
		_, _ = f.Write(make([]byte, 10_000))
	}
	_ = w.Close()
	return os.WriteFile(filepath.Join(os.Getenv("CHECKPOINT_DIR"), "last.pt"), file.Bytes(), 0o600)
}

// A posting is a job whose child is the poster, over many lives of the agent.
type posting struct {
	*job
	rng      *rand.Rand
	fifo     *os.File // open for both, so that neither side waits for the other
	heard    *bufio.Scanner
	accepted []int
	ended    bool // the child had an answer for its done
	lives    int
}

func newPosting(t *testing.T, seed uint64) *posting {
	t.Helper()
	j := newJob(t, "").with("EPOCHS", "1000000", "AGENT_HEARTBEAT_INTERVAL", "1s")
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fifo.Close() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	j.command = []string{self}
	j.with(posterVariable, path)
	return &posting{job: j, rng: rand.New(rand.NewPCG(7, seed)), fifo: fifo, heard: bufio.NewScanner(fifo)}
}

// live runs the agent once. The kill comes a little after the child had its
// answer to some message, or to its done, or at a time that may fall anywhere
// into the start; without a kill the agent runs to its end. It reports whether
// the run has ended with its own words, which a late kill finds it to have.
func (p *posting) live(count int, kill bool) (over bool) {
	p.t.Helper()
	p.lives++
	p.with("POSTER_LIFE", strconv.Itoa(p.lives), "POSTER_COUNT", strconv.Itoa(count))
	p.start()
	process := p.cmd.Process
	timer := time.AfterFunc(time.Hour, func() { _ = process.Kill() })
	defer timer.Stop()
	after := 1 + p.rng.IntN(20)
	most := time.Duration(p.rng.IntN(5_000)) * time.Microsecond
	if count > 0 {
		after, most = -1, time.Duration(p.rng.IntN(60_000))*time.Microsecond
	}
	if kill && p.rng.IntN(5) == 0 {
		timer.Reset(time.Duration(p.rng.IntN(200_000)) * time.Microsecond)
	}
	ended := make(chan int)
	go func() {
		code := p.wait()
		_, _ = fmt.Fprintln(p.fifo, "ended") // behind everything that the child said
		ended <- code
	}()
	for n := 1; p.heard.Scan() && p.heard.Text() != "ended"; n++ {
		id, err := strconv.Atoi(p.heard.Text())
		if err == nil {
			p.accepted = append(p.accepted, id)
		}
		p.ended = p.ended || err != nil
		if kill && (n == after || (err != nil && after < 0)) {
			timer.Reset(most)
		}
	}
	if code := <-ended; !kill && code != 0 {
		p.t.Fatalf("the last life ended with %d\n%s", code, p.stderr.String())
	}
	_, err := os.Stat(filepath.Join(p.workspace, ".agent", "life.json"))
	return p.ended && os.IsNotExist(err)
}

func TestKilledAtAnyMomentTheAgentDeliversAllThatItsChildHadAnAnswerFor(t *testing.T) {
	t.Parallel()
	const workspaces, lives = 6, 8
	started, accepted, duplicates := 0, 0, 0
	for w := range uint64(workspaces) {
		p := newPosting(t, w)
		if _, err := shared.Backend.AddFault(backend.Fault{Job: p.id, Kind: contract.KindEvent, Status: 503, Accept: w%2 == 0, Skip: 20, Calls: 6}); err != nil {
			t.Fatal(err)
		}
		for range lives {
			p.live(0, true)
		}
		over := false
		for n := 0; n < 3 && !over; n++ { // the last one without a kill
			over = p.live(4, n < 2)
		}
		started, accepted = started+p.lives, accepted+len(p.accepted)
		duplicates += p.check()
	}
	if accepted < workspaces*lives {
		t.Fatalf("only %d messages were accepted", accepted)
	}
	t.Logf("%d lives, %d messages accepted, %d sent more than once", started, accepted, duplicates)
}

func TestWhatTheChildOfAKilledAgentSaidLastIsInTheNextRunsEnd(t *testing.T) {
	p := newPosting(t, 0)
	p.with("POSTER_STAYS", "1") // so that only the kill ends it
	for !p.ended {
		p.live(1, true)
	}
	p.command = []string{"true"}
	p.start().wait() // with or without a checkpoint, as the kill fell
	if d := p.done(); d.FinalMetrics["accuracy"] != 0.9 {
		t.Errorf("done: %+v", d)
	}
}

// check holds what the backend got against what the child had an answer for.
func (p *posting) check() (duplicates int) {
	p.t.Helper()
	bodies, arrived, newest, final := map[string]string{}, map[int]string{}, -1, 0
	for _, c := range p.calls() {
		if !bytes.HasPrefix(c.Body, []byte("{")) || strings.HasPrefix(c.Problem, "reading the body") {
			continue // the kill cut it off
		}
		if c.Problem != "" {
			p.t.Errorf("%s was refused: %s", c.Key, c.Problem)
		}
		if was, again := bodies[c.Key]; again && was != string(c.Body) {
			p.t.Errorf("the key %s stands for %.200s and for %.200s", c.Key, was, c.Body)
		}
		bodies[c.Key] = string(c.Body)
		if c.Kind == contract.KindDone && c.Accepted {
			final++
		} else if final > 0 && !c.Duplicate {
			p.t.Errorf("%.200s came after done", c.Body)
		}
		id, ok := numberOf(c.Body)
		if !ok {
			continue
		}
		switch key, again := arrived[id]; {
		case again && key != c.Key:
			p.t.Errorf("message %d came as %s and as %s", id, key, c.Key)
		case again:
			duplicates++
		case id < newest:
			p.t.Errorf("message %d came after %d", id, newest)
		}
		arrived[id], newest = c.Key, max(newest, id)
	}
	for _, id := range p.accepted {
		if arrived[id] == "" {
			p.t.Errorf("the child had an answer for message %d, which never arrived", id)
		}
	}
	if d := p.done(); d.Status != contract.StatusSucceeded || final != 1 {
		p.t.Errorf("%d final messages, the last one is %+v", final, d)
	}
	return duplicates
}

func numberOf(body []byte) (id int, ok bool) {
	var b struct {
		Metrics, Data struct{ N *int }
	}
	if json.Unmarshal(body, &b) != nil {
		return 0, false
	}
	for _, n := range []*int{b.Metrics.N, b.Data.N} {
		if n != nil {
			return *n, true
		}
	}
	return 0, false
}
