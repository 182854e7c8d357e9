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

// appeals are made by authors and decided by the operator.
type appeals struct {
	theirs
	appeals *submission.Appeals
}

func (a appeals) register(doc huma.API) {
	huma.Register(doc, huma.Operation{OperationID: "appeal-validation", Method: http.MethodPost, Path: door.ValidationPath + "{id}/appeal", Summary: "Ask the operator to look at a submission that was rejected", Security: door.Security}, a.make)
	huma.Register(doc, huma.Operation{OperationID: "list-appeals", Method: http.MethodGet, Path: "/api/v1/admin/appeals", Summary: "Appeals, newest first, for the operator", Security: door.Security}, a.list)
	huma.Register(doc, huma.Operation{OperationID: "decide-appeal", Method: http.MethodPost, Path: "/api/v1/admin/appeals/{id}", Summary: "Grant an appeal or refuse it, for the operator", Security: door.Security, DefaultStatus: http.StatusNoContent}, a.decide)
}

func (a appeals) make(ctx context.Context, in *struct {
	door.Credentials
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"Why the findings are wrong, or no danger. The operator reads it."`
	}
}) (*struct{ Body Validation }, error) {
	at, p, err := a.own(ctx, in.Credentials, login.ScopePublish, in.ID)
	if err != nil {
		return nil, err
	}
	if err := a.appeals.Make(ctx, at.ID, p.ID, in.Body.Reason, p.Operator()); err != nil {
		return nil, door.Known(a.Log, err)
	}
	if at, err = a.records.Get(ctx, at.ID); err != nil {
		return nil, door.Known(a.Log, err)
	}
	return a.full(ctx, at)
}

func (a appeals) list(ctx context.Context, in *struct {
	door.Credentials
	door.Listing
	All bool `query:"all" doc:"Those that were decided too."`
}) (*door.Listed[submission.Appeal], error) {
	if _, err := a.operator(ctx, in.Credentials, login.ScopeRead); err != nil {
		return nil, err
	}
	list, err := door.List(&in.Listing, submission.Appeal.Place, func(from store.Place, most int) ([]submission.Appeal, error) {
		return a.records.Appeals(ctx, "", !in.All, from, most)
	})
	if err != nil {
		return nil, door.Known(a.Log, err)
	}
	return list, nil
}

func (a appeals) decide(ctx context.Context, in *struct {
	door.Credentials
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Grant  bool   `json:"grant"`
		Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"The author reads it."`
	}
}) (*struct{}, error) {
	p, err := a.operator(ctx, in.Credentials, login.ScopePublish)
	if err != nil {
		return nil, err
	}
	if err := a.appeals.Decide(ctx, in.ID, submission.Decision{Grant: in.Body.Grant, Answer: in.Body.Reason, Actor: p.ID}); err != nil {
		return nil, door.Known(a.Log, err)
	}
	return nil, nil
}

func (a appeals) operator(ctx context.Context, c door.Credentials, scope string) (login.Principal, error) {
	p, err := a.Who(ctx, c, scope)
	if err == nil && !p.Operator() {
		err = huma.Error403Forbidden("appeals are decided by the hub's operator")
	}
	return p, err
}
