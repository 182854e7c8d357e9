package proofs

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

type oneSubmission struct {
	door.Credentials
	ID string `path:"id" maxLength:"64"`
}

// validations are what people and programs ask of a submission.
type validations struct {
	theirs
	acts *submission.Acts
}

func (v validations) register(doc huma.API) {
	huma.Register(doc, huma.Operation{OperationID: "get-validation", Method: http.MethodGet, Path: door.ValidationPath + "{id}", Summary: "How far a submission is", Security: door.Security}, v.get)
	huma.Register(doc, huma.Operation{OperationID: "list-validations", Method: http.MethodGet, Path: "/api/v1/trainers/validation", Summary: "One's submissions and those of one's organisations, newest first", Security: door.Security}, v.list)
	v.act(doc, "cancel", "Stop a submission that is on its way", func(ctx context.Context, id string, p login.Principal) error {
		return v.acts.Cancel(ctx, id, p.ID)
	})
	v.act(doc, "retry", "Prove a submission that ended once more, with the same bytes", func(ctx context.Context, id string, p login.Principal) error {
		return v.acts.Retry(ctx, id, p.ID, p.Operator())
	})
}

func (v validations) get(ctx context.Context, in *oneSubmission) (*struct{ Body Validation }, error) {
	at, _, err := v.own(ctx, in.Credentials, login.ScopeRead, in.ID)
	if err != nil {
		return nil, err
	}
	return v.full(ctx, at)
}

func (v validations) list(ctx context.Context, in *struct {
	door.Credentials
	door.Listing
	All bool `query:"all" doc:"Everybody's, for the operator."`
}) (*door.Listed[Validation], error) {
	p, err := v.Who(ctx, in.Credentials, login.ScopeRead)
	if err != nil {
		return nil, err
	}
	owner := p.ID
	switch {
	case in.All && !p.Operator():
		return nil, huma.Error403Forbidden("everybody's submissions are for the hub's operator: leave all out for your own")
	case in.All:
		owner = ""
	}
	list, err := door.List(&in.Listing, Validation.place, func(from store.Place, most int) (list []Validation, err error) {
		found, err := v.records.List(ctx, owner, from, most)
		for _, at := range found {
			list = append(list, view(at, nil))
		}
		return list, err
	})
	if err != nil {
		return nil, door.Known(v.Log, err)
	}
	return list, nil
}

// act registers POST …/{id}/NAME, which answers with the submission as it is then.
func (v validations) act(doc huma.API, name, summary string, do func(context.Context, string, login.Principal) error) {
	huma.Register(doc, huma.Operation{OperationID: name + "-validation", Method: http.MethodPost, Path: door.ValidationPath + "{id}/" + name, Summary: summary, Security: door.Security},
		func(ctx context.Context, in *oneSubmission) (*struct{ Body Validation }, error) {
			_, p, err := v.own(ctx, in.Credentials, login.ScopePublish, in.ID)
			if err != nil {
				return nil, err
			}
			if err := do(ctx, in.ID, p); err != nil {
				return nil, door.Known(v.Log, err)
			}
			at, err := v.records.Get(ctx, in.ID)
			if err != nil {
				return nil, door.Known(v.Log, err)
			}
			return v.full(ctx, at)
		})
}
