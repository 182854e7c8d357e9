package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/login"
)

// door is where groups of handlers are put in, and who stands at it.
type door struct {
	gate
	doc huma.API
	mux paths
}

// raw puts a handler on the mux that huma would buffer, and describes it.
func (d door) raw(op huma.Operation, handler http.HandlerFunc) {
	op.Errors, op.Responses = nil, describe(op)
	d.doc.OpenAPI().AddOperation(&op)
	d.mux.HandleFunc(op.Method+" "+op.Path, handler)
}

func describe(op huma.Operation) map[string]*huma.Response {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "A problem (RFC 9457).", Content: map[string]*huma.MediaType{"application/problem+json": {}}}
	return op.Responses
}

// read registers an operation that whoever may read may ask.
func read[I, O any](d door, id, method, path, summary string, do func(context.Context, *I) (O, error)) {
	huma.Register(d.doc, huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Security: security},
		func(ctx context.Context, in *I) (*struct{ Body O }, error) {
			if _, err := d.who(ctx, any(in).(asking).credentials(), login.ScopeRead); err != nil {
				return nil, err
			}
			out, err := do(ctx, in)
			if err != nil {
				return nil, known(d.log, err)
			}
			return &struct{ Body O }{out}, nil
		})
}

// onlyKnown refuses a query that an operation does not have: nothing in it is passed over, for with
// a query that is misspelt the newest version would be installed.
func onlyKnown(doc huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		asked := ctx.URL()
		for name := range asked.Query() {
			if !slices.ContainsFunc(ctx.Operation().Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name }) {
				_ = huma.WriteErr(doc, ctx, http.StatusUnprocessableEntity, "the address has a query that is not known", field("query."+name, "/openapi.json describes those that there are"))
				return
			}
		}
		next(ctx)
	}
}

// asking is any input with credentials.
type asking interface{ credentials() Credentials }

func (c Credentials) credentials() Credentials { return c }
