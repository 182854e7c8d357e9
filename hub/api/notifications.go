package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/notify"
)

const maxNotifications = 100

// notifications are what one was told: how one's submissions ended.
type notifications struct {
	gate
	kept *notify.Notifications
}

func (n notifications) register(doc huma.API) {
	huma.Register(doc, huma.Operation{OperationID: "list-notifications", Method: http.MethodGet, Path: "/api/v1/notifications", Summary: "How one's submissions ended, newest first", Security: security}, n.list)
	huma.Register(doc, huma.Operation{OperationID: "see-notifications", Method: http.MethodPost, Path: "/api/v1/notifications/{id}/seen", Summary: "Mark a notification and those before it as seen", Security: security, DefaultStatus: http.StatusNoContent}, n.see)
}

func (n notifications) list(ctx context.Context, in *struct{ Credentials }) (*struct{ Body []notify.Notification }, error) {
	p, err := n.who(ctx, in.Credentials, login.ScopeRead)
	if err != nil {
		return nil, err
	}
	list, err := n.kept.List(ctx, p.ID, maxNotifications)
	if err != nil {
		return nil, known(n.log, err)
	}
	return &struct{ Body []notify.Notification }{list}, nil
}

func (n notifications) see(ctx context.Context, in *oneSubmission) (*struct{}, error) {
	p, err := n.who(ctx, in.Credentials, login.ScopeRead)
	if err == nil {
		if err = n.kept.See(ctx, p.ID, in.ID); err != nil {
			err = known(n.log, err)
		}
	}
	return nil, err
}
