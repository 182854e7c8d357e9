package outbox

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vision-platform/trainer-agent/contract"
)

func sized(kind contract.Kind, n int) contract.Message {
	const frame = `{"x":""}`
	return contract.Message{Kind: kind, Body: []byte(`{"x":"` + strings.Repeat("x", n-len(frame)) + `"}`)}
}

func TestABacklogIsBoundedAndTheFinalMessageStillFits(t *testing.T) {
	opts := options("http://backend.test")
	opts.MaxBytes = 100_000
	o := open(t, t.TempDir(), opts)
	appendAll(t, o, sized(contract.KindEvent, 70_000))
	for kind, size := range map[contract.Kind]int{
		contract.KindHeartbeat: 5_001, contract.KindInferenceProgress: 5_001, contract.KindExportProgress: 5_001,
		contract.KindEvent: 30_001, contract.KindValidation: 30_001,
	} {
		if err := o.Append(sized(kind, size)); !errors.Is(err, ErrFull) {
			t.Errorf("a %s that does not fit: %v, want ErrFull", kind, err)
		}
	}
	appendAll(t, o, sized(contract.KindHeartbeat, 5_000), sized(contract.KindValidation, 25_000))
	appendFinal(t, o, sized(contract.KindDone, 200_000))
	if p := o.Pending(); p.Bytes != 100_000 || p.Refused != 5 || p.Depth != 4 {
		t.Errorf("%+v", p)
	}
}

func TestANearlyFullDiskIsLeftToWhatCannotBeRepeated(t *testing.T) {
	opts := options("http://backend.test")
	free, known := uint64(diskReserve-1), error(nil)
	opts.DiskFree = func(string) (uint64, error) { return free, known }
	o := open(t, t.TempDir(), opts)
	if err := o.Append(heartbeat(1)); !errors.Is(err, ErrFull) {
		t.Errorf("a heartbeat: %v, want ErrFull", err)
	}
	appendAll(t, o, event("important"))
	known = errors.New("cannot ask the disk")
	appendAll(t, o, heartbeat(2))
	free, known = diskReserve, nil
	appendAll(t, o, heartbeat(3))
}

func TestWhatCannotBeSentIsNotAccepted(t *testing.T) {
	o := open(t, t.TempDir(), options("http://backend.test"))
	big := sized(contract.KindEvent, MaxMessageBytes+1)
	for name, err := range map[string]error{
		"append": o.Append(big), "final": o.AppendFinal(big), "keep": o.Keep(big),
	} {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	for _, body := range []string{"", "{", `{"loss":NaN}`} {
		if err := o.Append(contract.Message{Kind: contract.KindEvent, Body: []byte(body)}); err == nil {
			t.Errorf("the body %q was accepted", body)
		}
	}
	appendAll(t, o, sized(contract.KindValidation, MaxMessageBytes))
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"append": o.Append(heartbeat(1)), "final": o.AppendFinal(done("failed")), "keep": o.Keep(done("failed")), "reopen": o.Reopen(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	good := options("http://backend.test")
	for name, change := range map[string]func(*Options){
		"no job":     func(o *Options) { o.JobID = "" },
		"no token":   func(o *Options) { o.Backend.Token.Read = nil },
		"no address": func(o *Options) { o.Backend.URL = "" },
		"ftp":        func(o *Options) { o.Backend.URL = "ftp://backend.test" },
		"no host":    func(o *Options) { o.Backend.URL = "http:backend" },
	} {
		opts := good
		change(&opts)
		if _, err := Open(t.TempDir(), opts); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestALargeMessageArrivesWhole(t *testing.T) {
	b := newBackend(t, nil)
	o := open(t, t.TempDir(), options(b.URL))
	big := sized(contract.KindValidation, 8<<20)
	appendAll(t, o, heartbeat(1), big, heartbeat(2))
	run(t, o)
	flush(t, o)
	if got := b.got(); len(got) != 3 || got[1].body != string(big.Body) {
		t.Errorf("%d messages arrived", len(got))
	}
}

func TestRunTwiceIsRefused(t *testing.T) {
	virtual(t, nil, nil, func(t *testing.T, o *Outbox, _ *tally, _ *memnet) {
		synctest.Wait()
		if err := o.Run(t.Context()); err == nil {
			t.Error("a second sender was started")
		}
	})
}
