package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// send puts a payload of the agent's own into the outbox. A failure to do so is
// logged and never disturbs the job.
func (j *job) send(kind contract.Kind, payload any, at time.Time) {
	if j.outbox == nil {
		return
	}
	message, err := contract.NewMessage(kind, payload, at)
	if err == nil {
		err = j.outbox.Append(message)
	}
	if err != nil {
		j.log.Warn("a callback could not be kept", "kind", kind, "error", err)
	}
}

// emit logs an event and sends it. Inference and export jobs have events too:
// the path is the same.
func (j *job) emit(event contract.EventType, message string, data any) {
	if data == nil {
		data = struct{}{}
	}
	body, err := json.Marshal(data)
	if err != nil {
		body = []byte("{}")
	}
	j.log.Info(message, "event", string(event), "data", json.RawMessage(body))
	now := j.Now()
	j.send(contract.KindEvent, contract.Event{EventType: event, Message: message, Data: body, Timestamp: contract.At(now)}, now)
}

// rejected is told of each callback that the backend refused.
func (j *job) rejected(m contract.Message, status int, body string) {
	if m.Kind == contract.KindEvent { // an event about a refused event would be refused too
		j.log.Error("the backend refused an event", "status", status, "answer", body)
		return
	}
	j.emit(contract.EventCallbackRejected, fmt.Sprintf("The backend refused a %s callback with status %d", m.Kind, status),
		map[string]any{"kind": m.Kind, "status": status, "answer": body})
}

func (j *job) startedData() map[string]any {
	host, _ := os.Hostname()
	return map[string]any{
		"version": contract.Version, "commit": contract.Commit, "host": host, "job_type": j.cfg.JobType,
		"framework": j.cfg.Framework, "model_name": j.cfg.ModelName, "snapshot_id": j.cfg.SnapshotID, "device": j.cfg.Device,
	}
}
