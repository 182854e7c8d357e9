package outbox

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/spool"
	"github.com/vision-platform/trainer-agent/contract"
)

// A forger writes to the outbox's files as a training script of the same user could
// between two lives of the agent: with every checksum right and any key but one.
type forger struct {
	t   *testing.T
	dir string
	*seal
}

func newForger(t *testing.T, dir string) forger {
	return forger{t, dir, &seal{job: "job-1", key: []byte("guessed")}}
}

func (f forger) queue(as string, messages ...contract.Message) {
	f.t.Helper()
	s, err := spool.Open(filepath.Join(f.dir, storeName), "job-1")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, m := range messages {
		r := recordOf(m, "")
		r.seq = s.Last() + 1
		raw, err := f.encode(r, as)
		if err == nil {
			_, err = s.Write(raw)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		f.t.Fatal(err)
	}
}

func (f forger) final(m contract.Message, state finalState) {
	f.t.Helper()
	slot, _, err := openFinalSlot(filepath.Join(f.dir, slotName), f.seal)
	if err != nil {
		f.t.Fatal(err)
	}
	r := recordOf(m, "")
	r.seq = 1 << 60
	for _, err := range []error{slot.write(r), slot.mark(r, state), slot.close()} {
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

func closed(t *testing.T, dir string, opts Options, msgs ...contract.Message) {
	t.Helper()
	o := open(t, dir, opts)
	appendAll(t, o, msgs...)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

func bodies(calls []call) string {
	var all []string
	for _, c := range calls {
		all = append(all, c.path+" "+c.body)
	}
	return strings.Join(all, "\n")
}

func TestAForgedQueueReachesNobodyAndTheTrueMessagesDo(t *testing.T) {
	dir := t.TempDir()
	b := newBackend(t, nil)
	closed(t, dir, options(b.URL), event("true-1"), event("true-2"))
	newForger(t, dir).queue(asQueued, event("forged"), done("succeeded"), event(string(contract.EventCheckpointSaved)))
	o := open(t, dir, options(b.URL))
	run(t, o)
	appendFinal(t, o, done("failed"))
	flush(t, o)
	got := bodies(b.got())
	if strings.Contains(got, "forged") || strings.Contains(got, "succeeded") || strings.Contains(got, "checkpoint_saved") {
		t.Errorf("a forged message was sent:\n%s", got)
	}
	if !strings.Contains(got, "true-1") || !strings.Contains(got, "true-2") || !strings.Contains(got, "resource_warning") || strings.Count(got, "/done") != 1 {
		t.Errorf("the backend got\n%s", got)
	}
}

func TestAMessageThatIsRewrittenUnderWayIsNotSent(t *testing.T) {
	dir := t.TempDir()
	b := newBackend(t, nil)
	o := open(t, dir, options(b.URL))
	appendAll(t, o, event("true-1"), event("true-2"))
	path := segment(t, dir)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The same message with another body, its checksum made right again.
	at := bytes.Index(file, []byte("tar\x01"))
	raw, err := spool.Decode(file[at:])
	if err != nil {
		t.Fatal(err)
	}
	raw.Data = bytes.Replace(raw.Data, []byte("true-1"), []byte("lies-1"), 1)
	copy(file[at:], spool.Encode(raw))
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, o)
	flush(t, o)
	if got := bodies(b.got()); strings.Contains(got, "lies") || !strings.Contains(got, "true-2") {
		t.Errorf("the backend got\n%s", got)
	}
}

func TestAForgedFinalMessageIsNeverSentOrBelieved(t *testing.T) {
	for state, name := range map[finalState]string{finalStored: "stored", finalDelivered: "delivered"} {
		dir := t.TempDir()
		b := newBackend(t, nil)
		closed(t, dir, options(b.URL), event("true-1"))
		newForger(t, dir).final(done("succeeded"), state)
		o := open(t, dir, options(b.URL))
		if f, stored := o.Final(); stored {
			t.Errorf("%s: it is believed: %+v", name, f)
		}
		run(t, o)
		appendFinal(t, o, done("failed"))
		flush(t, o)
		if got := bodies(b.got()); strings.Contains(got, "succeeded") || strings.Count(got, "/done") != 1 {
			t.Errorf("%s: the backend got\n%s", name, got)
		}
	}
}

func TestAMarkIsNotMovedFromStoredToDelivered(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir, options("http://backend.test"))
	appendFinal(t, o, done("succeeded"))
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, slotName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[16] = byte(finalDelivered)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, stored := open(t, dir, options("http://backend.test")).Final(); stored && f.Delivered {
		t.Error("a message that was never sent counts as delivered")
	}
}

func TestAForgedLineIsNotExported(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir, options("http://backend.test"))
	line := func(job string, kind contract.Kind, body string) string {
		b, _ := Line{Key: job + ":7", Kind: kind, Path: kind.Path(job), Body: json.RawMessage(body), MAC: make([]byte, sealSize)}.encode()
		return string(b)
	}
	forged := line("job-1", contract.KindDone, `{"status":"succeeded"}`) + line("job-2", contract.KindHeartbeat, `{"epoch":1}`) +
		line("job-1", contract.KindEvent, `{"event_type":"checkpoint_saved"}`)
	if err := os.WriteFile(filepath.Join(dir, rejectedName), []byte(forged), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.rejects.add(record{seq: 3, kind: contract.KindEvent, body: []byte(`{"event_type":"checkpoint_saved","message":"true"}`)}, delivery.Outcome{Status: 422}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := o.Export(&out); err != nil || n != 1 || !strings.Contains(out.String(), "job-1:3") || strings.Contains(out.String(), `"mac"`) {
		t.Errorf("exported %d (%v): %s", n, err, out.String())
	}
}

func TestARotatedTokenLosesNoAcceptedMessage(t *testing.T) {
	token, secrets := "first", []string{"the-bucket-secret-key"}
	with := func(url string) Options {
		opts := options(url)
		opts.Backend.Token.Read = func() (string, error) { return token, nil }
		opts.Secrets = secrets
		return opts
	}
	dir := t.TempDir()
	b := newBackend(t, nil)
	closed(t, dir, with(b.URL), event(string(contract.EventCheckpointSaved)))
	token = "second" // rotated while the agent was away: the bucket's secret opens the key
	closed(t, dir, with(b.URL), event("b"))
	secrets = []string{"another-bucket-secret"} // and the other way round
	closed(t, dir, with(b.URL), event("c"))
	token = "third"
	o := open(t, dir, with(b.URL))
	run(t, o)
	flush(t, o)
	if got := bodies(b.got()); strings.Count(got, "event_type") != 3 || len(o.Pending().SetAside) != 0 {
		t.Errorf("set aside %v, the backend got\n%s", o.Pending().SetAside, got)
	}
	key, err := os.ReadFile(filepath.Join(dir, keyName))
	if err != nil || strings.Contains(string(key), "third") || bytes.Contains(key, o.seal.key) {
		t.Errorf("the key lies open: %q (%v)", key, err)
	}
}

func TestATokenThatIsRotatedUnderWayOpensTheKeyToo(t *testing.T) {
	dir, token := t.TempDir(), "first"
	opts := options("http://backend.test")
	opts.Backend.Token.Read = func() (string, error) { return token, nil }
	o := open(t, dir, opts)
	appendAll(t, o, event(string(contract.EventCheckpointSaved)))
	token = "second"
	if !o.sender.client.Token.Renew() {
		t.Fatal("the token is not new")
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if p := open(t, dir, opts).Pending(); p.Depth != 1 || len(p.SetAside) != 0 {
		t.Errorf("%+v", p)
	}
}

// Where no secret of the earlier life is left, its messages are worth what the
// training script could have said itself.
func TestWithoutTheKeyOnlyWhatAScriptMaySayIsDelivered(t *testing.T) {
	dir := t.TempDir()
	b := newBackend(t, nil)
	first := open(t, dir, options(b.URL))
	appendAll(t, first, heartbeat(1), event(string(contract.EventCheckpointSaved)), event("my_own"))
	appendFinal(t, first, done("succeeded"))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	opts := options(b.URL)
	opts.Backend.Token.Read = func() (string, error) { return "another", nil }
	o := open(t, dir, opts)
	run(t, o)
	flush(t, o)
	got := bodies(b.got())
	if !strings.Contains(got, `"epoch":1`) || !strings.Contains(got, "my_own") || strings.Contains(got, "checkpoint_saved") || strings.Contains(got, "/done") {
		t.Errorf("the backend got\n%s", got)
	}
	var out bytes.Buffer
	if _, err := o.Export(&out); err != nil || !strings.Contains(out.String(), "checkpoint_saved") || strings.Contains(out.String(), `"done"`) {
		t.Errorf("exported %s (%v)", out.String(), err)
	}
}

func TestReplaySendsOneJobsMessagesOnly(t *testing.T) {
	lines, _ := exported(t)
	forged := `{"idempotency_key":"job-2:1","kind":"done","path":"/api/v1/jobs/job-2/done","body":{"status":"succeeded"}}` + "\n"
	b := newBackend(t, nil)
	replayed, err := Replay(t.Context(), strings.NewReader(forged+lines), options(b.URL))
	if err != nil || replayed.Delivered != 4 || len(replayed.Foreign) != 1 || replayed.Foreign[0] != "job-2:1" {
		t.Errorf("replayed %+v, %v", replayed, err)
	}
	if strings.Contains(bodies(b.got()), "job-2") {
		t.Errorf("another job's message was sent: %s", bodies(b.got()))
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(`["AAAA"]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, keyName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, known, err := openSeal(dir, "job-1", []string{"secret"}); known || err != nil {
			t.Errorf("%q opens the key: %v, %v", b, known, err)
		}
	})
}
