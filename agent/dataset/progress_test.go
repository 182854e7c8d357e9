package dataset

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestProgressEndsAtTheTotals(t *testing.T) {
	var last contract.Transfer
	d := fetch(t, zipBucket(t, shapes()), Request{Progress: func(p contract.Transfer) { last = p }})
	if last.What != "dataset" || last.FilesDone != d.Files || last.FilesTotal != d.Files || last.BytesDone != last.BytesTotal || last.BytesTotal == 0 {
		t.Errorf("the last report is %+v", last)
	}
}

func TestWaitingJobReportsTheProgressOfTheOneThatFetches(t *testing.T) {
	file := filepath.Join(t.TempDir(), "progress.json")
	now := func() time.Time { return time.Unix(0, 0) }
	fetching := newMeter("dataset", nil, now)
	fetching.begin(100, 10).Bytes.Store(40)
	fetching.send(file)
	var seen contract.Transfer
	waiting := newMeter("dataset", func(p contract.Transfer) { seen = p }, now)
	waiting.relay(file)
	if seen.BytesDone != 40 || seen.BytesTotal != 100 || seen.FilesTotal != 10 || !seen.Waiting {
		t.Errorf("reported %+v", seen)
	}
	waiting.relay(file + "-that-is-not-there-yet")
	if seen != (contract.Transfer{What: "dataset", Waiting: true}) {
		t.Errorf("reported %+v", seen)
	}
}

func TestRateIsTakenOverTheLastReports(t *testing.T) {
	at := time.Unix(0, 0)
	m := newMeter("dataset", nil, func() time.Time { return at })
	p := m.begin(1<<30, 1)
	for range 20 {
		p.Bytes.Add(1000)
		at = at.Add(time.Second)
		m.read()
	}
	p.Bytes.Add(10_000)
	at = at.Add(time.Second)
	if got := m.read().BytesPerSecond; got != 2000 { // 8 × 1000 and 10,000 in 9 seconds
		t.Errorf("%d bytes a second", got)
	}
}
