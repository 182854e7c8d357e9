package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

const (
	patience  = 10 * time.Second // of one try
	firstWait = 5 * time.Second  // after the first try; doubled after each
	maxWait   = time.Hour
	giveUp    = 24 * time.Hour // of waiting between tries
	idle      = 5 * time.Second
	maxAnswer = 64 << 10
)

// What a request to the webhook carries beside its body.
const (
	// HeaderDelivery is the notification's id: the same for every try.
	HeaderDelivery = "Trainer-Hub-Delivery"
	// HeaderSignature is t=UNIX SECONDS,v1=HEX: the HMAC-SHA256 by the secret of the seconds, a
	// full stop and the body.
	HeaderSignature = "Trainer-Hub-Signature"
)

// Webhook is an address of the operator's that hears how submissions end.
type Webhook struct {
	URL    string
	Secret []byte
}

// Sender delivers what waits.
type Sender struct {
	*Notifications
	webhook Webhook
	client  *http.Client
	log     *slog.Logger
}

// Sender returns what tells a webhook.
func (n *Notifications) Sender(webhook Webhook, log *slog.Logger) *Sender {
	return &Sender{n, webhook, &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, log}
}

// Run delivers until ctx ends. Changed wakes it.
func (s *Sender) Run(ctx context.Context, changed func() <-chan struct{}) {
	for ctx.Err() == nil {
		wake := changed()
		sent, err := s.Next(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("telling the webhook", "error", err)
		}
		if sent {
			continue
		}
		select {
		case <-wake:
		case <-time.After(idle):
		case <-ctx.Done():
		}
	}
}

// Next tries the notification that has waited longest; sent says that one was delivered.
func (s *Sender) Next(ctx context.Context) (sent bool, err error) {
	now := s.now()
	row := s.db.QueryRowContext(ctx, `SELECT `+columns+`, tries FROM notifications JOIN submissions ON submissions.id = submission_id
		WHERE webhook = 'waiting' AND run_at <= $1 ORDER BY run_at, notifications.id LIMIT 1`, store.Millis(now))
	var tries int64
	note, err := scan(tail{row, &tries})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for notifications: %w", err)
	}
	refused := s.send(ctx, note)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	state, next := "delivered", now
	if refused != nil {
		state, next = "waiting", now.Add(wait(tries))
		if waited(tries) > giveUp { // and not a day after the end: a hub that was off for days has not tried
			state = "given up"
		}
	}
	_, err = s.db.ExecContext(ctx, `UPDATE notifications SET webhook = $1, tries = tries + 1, run_at = $2 WHERE id = $3`, state, store.Millis(next), note.ID)
	return refused == nil && err == nil, errors.Join(refused, err)
}

// wait is how long the next try is waited for after so many and one more have failed.
func wait(tries int64) time.Duration { return min(firstWait<<min(tries, 20), maxWait) }

// waited is how long all of them were waited for, the next one too.
func waited(tries int64) (sum time.Duration) {
	for before := range tries + 1 {
		sum += wait(before)
	}
	return sum
}

// tail reads one column more.
type tail struct {
	row  scanner
	more any
}

// Scan implements scanner.
func (t tail) Scan(to ...any) error { return t.row.Scan(append(to, t.more)...) }

// send makes one try.
func (s *Sender) send(ctx context.Context, note Notification) error {
	body, err := json.Marshal(struct {
		Type string `json:"type"`
		Notification
	}{kind(note.State), note})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.webhook.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(HeaderDelivery, note.ID)
	req.Header.Set(HeaderSignature, Sign(s.webhook.Secret, s.now(), body))
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection is used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook answered %s to notification %s", resp.Status, note.ID)
	}
	return nil
}

// Sign is the value of HeaderSignature.
func Sign(secret []byte, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(mac, "%d.", at.Unix())
	_, _ = mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// kind is what a message is about: a state of a submission, unless the state says of what it is.
func kind(state string) string {
	if strings.Contains(state, ".") {
		return state
	}
	return "submission." + state
}
