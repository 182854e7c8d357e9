package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/api/door"
)

// about is what a page needs to know before anybody has logged in.
type about struct {
	Version    string `json:"version"`
	Publishes  bool   `json:"publishes" doc:"Without it every upload must be a dry run."`
	MaxPackage int64  `json:"max_package" doc:"The most bytes of a package."`
	Login      string `json:"login" doc:"What the login provider is called; empty means that there are one-time links only."`
}

func (a *API) about() about {
	told := about{Version: contract.Version, Publishes: a.Publishes, MaxPackage: a.MaxPackage}
	if a.OIDC != nil {
		told.Login = a.OIDC.Name
	}
	return told
}

func (a about) register(d door.Door) {
	huma.Register(d.Doc, huma.Operation{OperationID: "about", Method: http.MethodGet, Path: "/api/v1/about", Summary: "What this hub is"},
		func(context.Context, *struct{}) (*struct{ Body about }, error) {
			return &struct{ Body about }{a}, nil
		})
}
