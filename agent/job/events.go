package job

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Events are what the agent itself says of the job. Every event stands in the log
// and goes to every sink: the outbox, or node 0.
type Events struct {
	log        *slog.Logger
	now        func() time.Time
	snapshotID string

	mu       sync.RWMutex
	sinks    []func(contract.Event)
	warnings []string
}

// maxWarnings bounds what result.json repeats of the log.
const maxWarnings = 100

// Warn says in the log, and in the end in the result, what is not as it should be.
func (e *Events) Warn(text string) {
	e.log.Warn(text)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.warnings) < maxWarnings {
		e.warnings = append(e.warnings, text)
	}
}

// Warnings are what was warned of so far.
func (e *Events) Warnings() []string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Clone(e.warnings)
}

// NewEvents makes Events without a sink. A SNAPSHOT_ID is recorded in the data of
// each of them.
func NewEvents(log *slog.Logger, now func() time.Time, snapshotID string) *Events {
	return &Events{log: log, now: now, snapshotID: snapshotID}
}

// Send adds a sink. It is called in the goroutine of Emit.
func (e *Events) Send(sink func(contract.Event)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sinks = append(e.sinks, sink)
}

// levelOf is how loud an event is in the log.
func levelOf(event contract.EventType) slog.Level {
	switch event {
	case contract.EventResourceWarning, contract.EventCheckpointUploadFailed, contract.EventGPUWarning, contract.EventGPUError, contract.EventHangSuspected:
		return slog.LevelWarn
	case contract.EventIsolationIncomplete: // each of its findings has been warned of
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// Emit raises an event. data must encode to a JSON object; nil is an empty one.
func (e *Events) Emit(event contract.EventType, message string, data any) {
	body := e.encode(data)
	e.log.Log(context.Background(), levelOf(event), message, "event", string(event), "data", json.RawMessage(body))
	raised := contract.Event{EventType: event, Message: message, Data: body, Timestamp: contract.At(e.now())}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, sink := range e.sinks {
		sink(raised)
	}
}

// Started raises agent_started, with what is known of the job and of a run before this
// one that was killed.
func (e *Events) Started(known map[string]any, previous *PreviousRun) {
	host, _ := os.Hostname()
	data := map[string]any{"version": contract.Version, "commit": contract.Commit, "host": host}
	maps.Copy(data, known)
	if previous != nil {
		data["previous_run"] = previous
	}
	e.Emit(contract.EventAgentStarted, "The agent has started", data)
}

func (e *Events) encode(data any) []byte {
	if data == nil {
		data = struct{}{}
	}
	body, err := json.Marshal(data)
	if err != nil {
		body = []byte("{}")
	}
	var object map[string]json.RawMessage
	if e.snapshotID == "" || json.Unmarshal(body, &object) != nil {
		return body
	}
	id, errID := json.Marshal(e.snapshotID)
	object["snapshot_id"] = id
	with, err := json.Marshal(object)
	if errID != nil || err != nil {
		return body
	}
	return with
}
