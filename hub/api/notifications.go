package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/notify"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// notifications are what one was told: how one's submissions ended.
type notifications struct {
	door.Gate
	kept *notify.Notifications
}

func (n notifications) register(doc huma.API) {
	huma.Register(doc, huma.Operation{OperationID: "list-notifications", Method: http.MethodGet, Path: "/api/v1/notifications", Summary: "How one's submissions ended, newest first", Security: door.Security}, n.list)
	huma.Register(doc, huma.Operation{OperationID: "see-notifications", Method: http.MethodPost, Path: "/api/v1/notifications/{id}/seen", Summary: "Mark a notification and those before it as seen", Security: door.Security, DefaultStatus: http.StatusNoContent}, n.see)
}

func (n notifications) list(ctx context.Context, in *struct {
	door.Credentials
	door.Listing
}) (*door.Listed[notify.Notification], error) {
	p, err := n.Who(ctx, in.Credentials, login.ScopeRead)
	if err != nil {
		return nil, err
	}
	list, err := door.List(&in.Listing, notify.Notification.Place, func(from store.Place, most int) ([]notify.Notification, error) {
		return n.kept.List(ctx, p.ID, from, most)
	})
	if err != nil {
		return nil, door.Known(n.Log, err)
	}
	return list, nil
}

func (n notifications) see(ctx context.Context, in *struct {
	door.Credentials
	ID string `path:"id" maxLength:"64"`
}) (*struct{}, error) {
	p, err := n.Who(ctx, in.Credentials, login.ScopeRead)
	if err == nil {
		if err = n.kept.See(ctx, p.ID, in.ID); err != nil {
			err = door.Known(n.Log, err)
		}
	}
	return nil, err
}
