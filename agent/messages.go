package agent

import (
	"encoding/json"
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
	body = j.withSnapshot(body)
	j.log.Info(message, "event", string(event), "data", json.RawMessage(body))
	j.retell(event, message, body)
	now := j.Now()
	j.send(contract.KindEvent, contract.Event{EventType: event, Message: message, Data: body, Timestamp: contract.At(now)}, now)
}

// withSnapshot records SNAPSHOT_ID in the data of every event of the agent's.
func (j *job) withSnapshot(body []byte) []byte {
	var data map[string]json.RawMessage
	if j.cfg.SnapshotID == "" || json.Unmarshal(body, &data) != nil {
		return body
	}
	id, errID := json.Marshal(j.cfg.SnapshotID)
	data["snapshot_id"] = id
	with, err := json.Marshal(data)
	if errID != nil || err != nil {
		return body
	}
	return with
}

func (j *job) startedData() map[string]any {
	host, _ := os.Hostname()
	data := map[string]any{
		"version": contract.Version, "commit": contract.Commit, "host": host, "job_type": j.cfg.JobType,
		"framework": j.cfg.Framework, "model_name": j.cfg.ModelName, "device": j.cfg.Device, "nodes": j.cfg.Nodes,
	}
	if j.previous != nil {
		data["previous_run"] = j.previous
	}
	return data
}
