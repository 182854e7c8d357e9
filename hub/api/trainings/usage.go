package trainings

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/usage"
)

// told is a callback of a job, as a platform passes it on.
type told struct {
	JobID    string          `json:"job_id" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9._-]+$"`
	Callback string          `json:"callback" enum:"event,done"`
	Body     json.RawMessage `json:"body" doc:"The callback's body, as the job sent it: of agent_started, training_finished or done."`
}

// counted is what came of it.
type counted struct {
	Counted bool   `json:"counted"`
	Why     string `json:"why,omitempty" doc:"Why it changes no number."`
}

// usages take what was trained, and tell it of each trainer.
type usages struct {
	door.Door
	catalog   *catalog.Catalog
	trainings *usage.Trainings
}

type toldUsage struct {
	door.Credentials
	Key  string `header:"Idempotency-Key" required:"true" maxLength:"200" doc:"That of the callback, {job}:{sequence}."`
	Body told
}

func (u usages) take(ctx context.Context, in *toldUsage) (*struct{ Body counted }, error) {
	p, err := u.Who(ctx, in.Credentials, login.ScopeUsage)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body counted }{counted{Counted: true}}
	err = u.trainings.Take(ctx, usage.Message{Source: p.ID, Key: in.Key, Job: in.Body.JobID, Kind: contract.Kind(in.Body.Callback), Body: in.Body.Body})
	if why, is := errors.AsType[*usage.Uncounted](err); is {
		out.Body, err = counted{false, why.Text}, nil
	}
	if err != nil {
		return nil, door.Known(u.Log, err)
	}
	return out, nil
}

func (u usages) register() {
	huma.Register(u.Doc, huma.Operation{OperationID: "tell-usage", Method: http.MethodPost, Path: "/api/v1/usage/events", Summary: "Count a training, for the platform that it ran on", Security: door.Security[:1]}, u.take)
	door.Read(u.Door, "analytics", http.MethodGet, door.TrainersPath+"{name}/analytics", "What was trained with a trainer", func(ctx context.Context, in *struct {
		door.Credentials
		Name string `path:"name" maxLength:"64"`
	}) (usage.Analytics, error) {
		if _, err := u.catalog.Version(ctx, in.Name, ""); err != nil && !errors.Is(err, catalog.ErrWithdrawn) {
			return usage.Analytics{}, err
		}
		return u.trainings.Of(ctx, in.Name)
	})
}
