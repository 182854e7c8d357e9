package notify_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/notify"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

var secret = []byte("a secret of the tests")

// desk is a database with the user ann, a clock, and a webhook that answers what the test
// wants.
type desk struct {
	*notify.Notifications
	submissions *submission.Desk
	sender      *notify.Sender
	now         time.Time
	answer      int
	heard       []heard
}

type heard struct{ id, signature, body string }

func each(t *testing.T, test func(t *testing.T, d *desk)) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		d := &desk{now: time.UnixMilli(1_800_000_000_000), answer: http.StatusOK}
		clock := func() time.Time { return d.now }
		if _, err := db.ExecContext(t.Context(), `INSERT INTO users (id, name, role, created) VALUES ('ann', 'ann', 'author', 0)`); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			d.heard = append(d.heard, heard{r.Header.Get(notify.HeaderDelivery), r.Header.Get(notify.HeaderSignature), string(body)})
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(d.answer)
		}))
		defer server.Close()
		d.submissions, d.Notifications = submission.New(db, clock), notify.New(db, clock)
		d.sender = d.Sender(notify.Webhook{URL: server.URL, Secret: secret}, slog.New(slog.DiscardHandler))
		test(t, d)
	})
}

// ends has a submission end.
func (d *desk) ends(t *testing.T, name string, reject bool) {
	t.Helper()
	_, err := d.submissions.Intake.Create(t.Context(), submission.Upload{Name: name, Version: "1.0.0", SHA256: name, Owner: "ann", Metadata: "{}"})
	if err != nil {
		t.Fatal(err)
	}
	task, err := d.submissions.Queue.Claim(t.Context())
	for err == nil && task.State.Open() {
		if reject {
			err = task.Reject(t.Context(), "not passed: training_test")
		} else {
			err = task.Advance(t.Context(), json.RawMessage(`{}`))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryEndIsToldOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.ends(t, "cells", false)
		d.now = d.now.Add(time.Second)
		d.ends(t, "leaves", true)
		list, err := d.List(t.Context(), "ann", store.Newest(), 10)
		if err != nil || len(list) != 2 || list[0].Text != "leaves 1.0.0 did not pass: not passed: training_test" || list[1].State != "active" {
			t.Fatalf("%+v, %v", list, err)
		}
		if other, err := d.List(t.Context(), "bob", store.Newest(), 10); len(other) > 0 || err != nil {
			t.Errorf("another's: %+v, %v", other, err)
		}
		for user, id := range map[string]string{"ann": "zzz", "bob": list[0].ID} {
			if err := d.See(t.Context(), user, id); !errors.Is(err, notify.ErrNotFound) {
				t.Errorf("%s sees %s: %v", user, id, err)
			}
		}
		if err := d.See(t.Context(), "ann", list[1].ID); err != nil {
			t.Error(err)
		}
		if list, err = d.List(t.Context(), "ann", store.Newest(), 10); list[0].Seen || !list[1].Seen || err != nil {
			t.Errorf("%+v, %v", list, err)
		}
		for i := range 3 {
			if sent, err := d.sender.Next(t.Context()); sent != (i < 2) || err != nil {
				t.Errorf("%d: %v, %v", i, sent, err)
			}
		}
		if len(d.heard) != 2 || d.heard[0].id != list[1].ID || !strings.Contains(d.heard[0].body, `"type":"submission.active"`) {
			t.Fatalf("%+v", d.heard)
		}
		if got, want := d.heard[0].signature, notify.Sign(secret, d.now, []byte(d.heard[0].body)); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
	})
}

// A webhook that is away, or answers anything but 2xx, hears of it later, less and less
// often, for a day; those behind it do not wait for it.
func TestWebhookThatIsAwayHearsLater(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.ends(t, "cells", false)
		d.answer = http.StatusFound // is not followed
		if sent, err := d.sender.Next(t.Context()); sent || err == nil || !strings.Contains(err.Error(), "302") {
			t.Errorf("%v, %v", sent, err)
		}
		if sent, err := d.sender.Next(t.Context()); sent || err != nil || len(d.heard) != 1 {
			t.Errorf("again at once: %v, %v", sent, err)
		}
		d.answer = http.StatusInternalServerError
		for range 40 {
			d.now = d.now.Add(time.Hour)
			_, _ = d.sender.Next(t.Context())
		}
		if tries := len(d.heard); tries < 30 || tries > 36 { // ten within the first hours, then one each hour
			t.Errorf("%d tries, want some 33", tries)
		}
		d.answer, d.heard = http.StatusNoContent, nil
		d.ends(t, "leaves", false)
		if sent, err := d.sender.Next(t.Context()); !sent || err != nil || len(d.heard) != 1 || !strings.Contains(d.heard[0].body, "leaves") {
			t.Errorf("%v, %v, %+v", sent, err, d.heard)
		}
	})
}

// A hub that was off for days, as its webhook was, has not tried meanwhile: it is not too late
// when both are back.
func TestWebhookHearsAfterDaysWithoutAHub(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.ends(t, "cells", false)
		d.now, d.answer = d.now.Add(3*24*time.Hour), http.StatusServiceUnavailable
		if sent, err := d.sender.Next(t.Context()); sent || err == nil {
			t.Errorf("%v, %v", sent, err)
		}
		d.now, d.answer = d.now.Add(10*time.Second), http.StatusNoContent
		if sent, err := d.sender.Next(t.Context()); !sent || err != nil || len(d.heard) != 2 {
			t.Errorf("%v, %v, %+v", sent, err, d.heard)
		}
	})
}

// What a receiver is to do, with numbers of another program: HMAC-SHA256 of "1800000000.{}".
func TestSignature(t *testing.T) {
	const want = "t=1800000000,v1=7321475872b03ff21bdc2dfd86ea2d99ec29c479fbe4a77aa6acf4509505493f"
	if got := notify.Sign([]byte("key"), time.Unix(1_800_000_000, 0), []byte("{}")); got != want {
		t.Error(got)
	}
}
