package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// earlier is the part of the audit log that somebody asks for. Acts have numbers, so the place in
// the log is one.
type earlier struct {
	door.Credentials
	Before int64 `query:"before" minimum:"0" doc:"Only acts with a smaller number; 0 begins with the newest."`
	Limit  int   `query:"limit" minimum:"1" maximum:"500" default:"100"`

	asked url.URL
}

// Resolve implements huma.Resolver.
func (e *earlier) Resolve(ctx huma.Context) []error {
	e.asked = ctx.URL()
	return nil
}

// audits is the audit log, for the operator.
func audits(d door.Door, log *store.DB) {
	huma.Register(d.Doc, huma.Operation{OperationID: "list-acts", Method: http.MethodGet, Path: "/api/v1/admin/audit", Summary: "The audit log, newest first, for the operator", Security: door.Security},
		func(ctx context.Context, in *earlier) (*door.Listed[store.Entry], error) {
			p, err := d.Who(ctx, in.Credentials, login.ScopeRead)
			if err != nil {
				return nil, err
			}
			if !p.Operator() {
				return nil, huma.Error403Forbidden("the audit log is for the hub's operator")
			}
			acts, err := log.Acts(ctx, in.Before, in.Limit+1)
			if err != nil {
				return nil, door.Known(d.Log, err)
			}
			list := &door.Listed[store.Entry]{Body: append([]store.Entry{}, acts[:min(len(acts), in.Limit)]...)}
			if len(acts) > in.Limit {
				list.Link = door.Next(in.asked, "before", strconv.FormatInt(list.Body[in.Limit-1].Seq, 10))
			}
			return list, nil
		})
}
