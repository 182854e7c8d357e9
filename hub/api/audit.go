package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// audits is the audit log, for the operator.
func audits(d door.Door, log *store.DB) {
	huma.Register(d.Doc, huma.Operation{OperationID: "list-acts", Method: http.MethodGet, Path: "/api/v1/admin/audit", Summary: "The audit log, newest first, for the operator", Security: door.Security},
		func(ctx context.Context, in *struct {
			door.Credentials
			Before int64 `query:"before" minimum:"0" doc:"Only acts with a smaller number; 0 begins with the newest."`
			Limit  int   `query:"limit" minimum:"1" maximum:"500" default:"100"`
		}) (*struct{ Body []store.Entry }, error) {
			p, err := d.Who(ctx, in.Credentials, login.ScopeRead)
			if err != nil {
				return nil, err
			}
			if !p.Operator() {
				return nil, huma.Error403Forbidden("the audit log is for the hub's operator")
			}
			acts, err := log.Acts(ctx, in.Before, in.Limit)
			if err != nil {
				return nil, door.Known(d.Log, err)
			}
			return &struct{ Body []store.Entry }{append([]store.Entry{}, acts...)}, nil
		})
}
