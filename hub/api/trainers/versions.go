package trainers

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
)

// versions change how published versions are offered.
type versions struct {
	door.Gate
	catalog *catalog.Catalog
	show    func(catalog.Version) (Published, error)
}

type changing struct {
	door.Credentials
	Name    string `path:"name" maxLength:"64"`
	Version string `path:"version" maxLength:"64"`
	Body    struct {
		State  string `json:"state" enum:"active,deprecated,yanked,quarantined,removed" doc:"deprecated: offered with a warning; yanked: only for who names the version; active: neither any longer. quarantined and removed, for nobody, are the operator's."`
		Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"Whoever trains with the version reads it."`
	}
}

func (v versions) register(doc huma.API) {
	huma.Register(doc, huma.Operation{
		OperationID: "change-version", Method: http.MethodPatch, Path: door.TrainersPath + "{name}/versions/{version}", Security: door.Security,
		Summary: "Deprecate, yank or restore a version of one's own; quarantine or remove any, for the operator",
	}, v.change)
	huma.Register(doc, huma.Operation{
		OperationID: "get-version", Method: http.MethodGet, Path: door.TrainersPath + "{name}/versions/{version}", Security: door.Security,
		Summary: "A version, whatever its state",
	}, v.get)
}

func (v versions) change(ctx context.Context, in *changing) (*struct{ Body Published }, error) {
	p, err := v.Who(ctx, in.Credentials, login.ScopePublish)
	if err != nil {
		return nil, err
	}
	to := catalog.Change{Name: in.Name, Version: in.Version, To: catalog.State(in.Body.State), Reason: in.Body.Reason, Actor: p.ID, Operator: p.Operator()}
	if err := v.catalog.Change(ctx, to); err != nil {
		return nil, door.Known(v.Log, err)
	}
	return v.read(ctx, in.Name, in.Version)
}

func (v versions) get(ctx context.Context, in *struct {
	door.Credentials
	Name    string `path:"name" maxLength:"64"`
	Version string `path:"version" maxLength:"64"`
}) (*struct{ Body Published }, error) {
	if _, err := v.Who(ctx, in.Credentials, login.ScopeRead); err != nil {
		return nil, err
	}
	return v.read(ctx, in.Name, in.Version)
}

func (v versions) read(ctx context.Context, name, version string) (*struct{ Body Published }, error) {
	at, err := v.catalog.Version(ctx, name, version)
	if err != nil {
		return nil, door.Known(v.Log, err)
	}
	p, err := v.show(at)
	if err != nil {
		return nil, door.Known(v.Log, err)
	}
	return &struct{ Body Published }{p}, nil
}
