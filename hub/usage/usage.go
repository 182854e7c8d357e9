// Package usage keeps what was trained with published trainers: three messages of each
// job (agent_started, training_finished, done) become one training.
//
// It promises that a message counts once however often it is sent, and that a training
// counts only for a version that is published, under the digest that was published. It
// leaves who may tell it to hub/api, and keeps neither users nor datasets.
package usage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// Find returns a published version of a trainer, or an *Uncounted.
type Find func(ctx context.Context, name, version string) (contract.Release, error)

// Trainings are those of a hub.
type Trainings struct {
	db   *store.DB
	now  func() time.Time
	find Find
}

// New returns the trainings of a database.
func New(db *store.DB, now func() time.Time, find Find) *Trainings {
	return &Trainings{db, now, find}
}

// Message is a callback of a job, as its agent sent it.
type Message struct {
	Source string // who told it: a user's id, or "" for the platform's own acceptance
	Key    string // its Idempotency-Key
	Job    string
	Kind   contract.Kind // KindEvent or KindDone; others count nothing
	Body   json.RawMessage
}

// Uncounted is why a message changes no number; the message itself is in order.
type Uncounted struct{ Text string }

func (u *Uncounted) Error() string { return u.Text }

// Wrong is a message that is not what the contract says.
type Wrong struct{ Err error }

func (w *Wrong) Error() string { return w.Err.Error() }

// Unwrap implements errors.Unwrap.
func (w *Wrong) Unwrap() error { return w.Err }

// Take counts a message: nil when it was counted, now or before, else an *Uncounted, a
// *Wrong, or what kept the hub from it, after which the same message may be sent again.
func (t *Trainings) Take(ctx context.Context, m Message) error {
	change, err := t.read(ctx, m)
	if err != nil {
		return err
	}
	return t.db.Tx(ctx, func(tx *sql.Tx) error {
		// The key is the job's own: no job uses up the keys of another.
		result, err := tx.ExecContext(ctx, `INSERT INTO usage_keys (source, key, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, m.Source, fmt.Sprintf("%q %s", m.Job, m.Key), store.Millis(t.now()))
		if err != nil {
			return fmt.Errorf("keeping the key of a message: %w", err)
		}
		if isNew, err := result.RowsAffected(); err != nil || isNew == 0 {
			return err
		}
		return change(ctx, tx)
	})
}

// change is what a message makes of a training.
type change func(context.Context, *sql.Tx) error

func (t *Trainings) read(ctx context.Context, m Message) (change, error) {
	if m.Key == "" || !utf8.ValidString(m.Key) {
		return nil, &Wrong{errors.New("there is no Idempotency-Key, or it is no UTF-8")}
	}
	if m.Kind != contract.KindEvent && m.Kind != contract.KindDone {
		return nil, &Uncounted{fmt.Sprintf("%s is neither an event nor done", m.Kind)}
	}
	payload, err := contract.CheckWire(m.Kind, m.Body)
	if err != nil {
		return nil, &Wrong{err}
	}
	if done, ok := payload.(contract.Done); ok {
		return m.ended(done)
	}
	event, _ := payload.(contract.Event)
	switch event.EventType {
	case contract.EventAgentStarted:
		return t.started(ctx, m, event)
	case contract.EventTrainingFinished:
		return m.finished(event)
	}
	return nil, &Uncounted{fmt.Sprintf("the event %s counts nothing", event.EventType)}
}

// started begins a training; a job that is run again begins again.
func (t *Trainings) started(ctx context.Context, m Message, event contract.Event) (change, error) {
	var told struct {
		JobType string                `json:"job_type"`
		Task    string                `json:"task_type"`
		Device  string                `json:"device"`
		Metric  string                `json:"primary_metric"`
		Trainer *contract.UsedTrainer `json:"trainer"`
	}
	if err := json.Unmarshal(event.Data, &told); err != nil {
		return nil, &Wrong{fmt.Errorf("data: %w", err)}
	}
	if told.Trainer == nil || told.JobType != string(contract.JobTraining) {
		return nil, &Uncounted{"it is no training with a trainer of a hub: agent_started names none (TRAINER_NAME, TRAINER_VERSION, TRAINER_DIGEST)"}
	}
	if err := kept(told.Task, told.Device, told.Metric); err != nil {
		return nil, err
	}
	release, err := t.find(ctx, told.Trainer.Name, told.Trainer.Version)
	if err != nil {
		return nil, err
	}
	if told.Trainer.Digest == "" || told.Trainer.Digest != release.Image && told.Trainer.Digest != release.Bundle {
		return nil, &Uncounted{fmt.Sprintf("TRAINER_DIGEST is %q, which is neither the image nor the bundle of %s %s", told.Trainer.Digest, release.Name, release.Version)}
	}
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO trainings (source, job_id, name, version, task, device, metric, started, ended, seconds, status, failure_code)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 'running', '')
			ON CONFLICT (source, job_id) DO UPDATE SET name = excluded.name, version = excluded.version, task = excluded.task, device = excluded.device,
				metric = excluded.metric, value = NULL, started = excluded.started, ended = 0, seconds = 0, status = 'running', failure_code = ''`,
			m.Source, m.Job, release.Name, release.Version, told.Task, told.Device, told.Metric, store.Millis(event.Timestamp.Time))
		return failed("beginning a training", err)
	}, nil
}

// maxText bounds the names that a message has, in bytes.
const maxText = 200

// maxSeconds is more than any training takes: a hundred years.
const maxSeconds = 100 * 366 * 24 * 3600

// errNotBegun is the end of a job whose beginning counted nothing, or was not told yet: its key is
// not used up.
var errNotBegun = &Uncounted{"agent_started of this job was not counted"}

// finished says how long the training process ran.
func (m Message) finished(event contract.Event) (change, error) {
	var told struct {
		Seconds float64 `json:"seconds"`
	}
	if err := json.Unmarshal(event.Data, &told); err != nil {
		return nil, &Wrong{fmt.Errorf("data: %w", err)}
	}
	if told.Seconds < 0 || told.Seconds > maxSeconds {
		return nil, &Wrong{fmt.Errorf("data.seconds: no training takes %g seconds", told.Seconds)}
	}
	return func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE trainings SET seconds = $1 WHERE source = $2 AND job_id = $3`, told.Seconds, m.Source, m.Job)
		if err != nil {
			return fmt.Errorf("timing a training: %w", err)
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return errNotBegun
		}
		return err
	}, nil
}

// ended says how the training ended. The metric is the one that the job itself chose its
// best epoch by.
func (m Message) ended(done contract.Done) (change, error) {
	status, code := Succeeded, contract.Code("")
	if done.Status != contract.StatusSucceeded {
		status, code = Failed, contract.CodeInternal
		if done.Error != nil {
			code = done.Error.Code
		}
		if code == contract.CodeStopped {
			status = Stopped
		}
	}
	if err := kept(string(code)); err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx *sql.Tx) error {
		var metric string
		row := tx.QueryRowContext(ctx, `UPDATE trainings SET ended = $1, status = $2, failure_code = $3 WHERE source = $4 AND job_id = $5 RETURNING metric`,
			store.Millis(done.Timestamp.Time), status, string(code), m.Source, m.Job)
		switch err := row.Scan(&metric); {
		case err == sql.ErrNoRows: //nolint:errorlint // Scan returns it as it is
			return errNotBegun
		case err != nil:
			return fmt.Errorf("ending a training: %w", err)
		}
		value, told := done.FinalMetrics[metric]
		if !told || !value.Finite() {
			return nil
		}
		_, err := tx.ExecContext(ctx, `UPDATE trainings SET value = $1 WHERE source = $2 AND job_id = $3`, float64(value), m.Source, m.Job)
		return failed("keeping a metric", err)
	}, nil
}

// kept refuses what no database keeps as text, and what is no name.
func kept(names ...string) error {
	for _, name := range names {
		if len(name) > maxText || strings.ContainsRune(name, 0) {
			return &Wrong{fmt.Errorf("a name of more than %d bytes, or with a NUL: %.20q", maxText, name)}
		}
	}
	return nil
}

func failed(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
