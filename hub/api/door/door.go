// Package door is what every room of hub/api stands behind: who asks, how often, at
// which addresses, and how errors are told.
//
// It promises that every answer has the headers that keep other origins out, and that
// every error is an RFC 9457 problem. It knows the errors of the hub's rooms, and leaves
// all else to hub/api's.
package door

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/login"
)

// How long a client may take.
const (
	MaxUpload = time.Hour        // for a package, on its way in or out
	Slowest   = 30 * time.Second // to read what was sent
)

// Door is where groups of handlers are put in, and who stands at it.
type Door struct {
	Gate
	Doc huma.API
	Mux paths
}

// New is a door with nothing behind it.
func New(users *login.Users, log *slog.Logger) Door {
	mux := newPaths()
	config := huma.DefaultConfig("trainer-hub", contract.Version)
	config.DocsPath, config.SchemasPath = "", "" // the documentation page would come from another origin
	config.CreateHooks = nil
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token: tah_…"},
		"session": {Type: "apiKey", In: "cookie", Name: SessionCookie},
	}
	doc := humago.New(mux, config)
	doc.UseMiddleware(onlyKnown(doc))
	return Door{Gate: Gate{users, log}, Doc: doc, Mux: mux}
}

// Handler serves all that was put in.
func (d Door) Handler(behindProxy bool) http.Handler {
	return outside(d.Log, newRates(behindProxy), d.Mux)
}

// Raw puts a handler on the mux that huma would buffer, and describes it; op.Responses are
// its answers where all is well.
func (d Door) Raw(op huma.Operation, handler http.HandlerFunc) {
	problem := d.Doc.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")
	op.Responses = maps.Clone(op.Responses)
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "A problem (RFC 9457).", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}}
	d.Doc.OpenAPI().AddOperation(&op)
	d.Mux.HandleFunc(op.Method+" "+op.Path, handler)
}

// Asked is Raw for an address that refuses a query which the operation does not have, as huma's do.
func (d Door) Asked(op huma.Operation, handler http.HandlerFunc) {
	d.Raw(op, func(w http.ResponseWriter, r *http.Request) {
		if wrong := unknown(r.URL.Query(), op.Parameters); wrong != nil {
			Problem(w, http.StatusUnprocessableEntity, noQuery, wrong)
			return
		}
		handler(w, r)
	})
}

// Text describes an answer that is no JSON.
func Text(mediaType, description string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {Description: description, Content: map[string]*huma.MediaType{mediaType: {Schema: &huma.Schema{Type: "string"}}}}}
}

// Bare describes an answer without a body.
func Bare(status int, description string) map[string]*huma.Response {
	return map[string]*huma.Response{strconv.Itoa(status): {Description: description}}
}

// Read registers an operation that whoever may read may ask.
func Read[I, O any](d Door, id, method, path, summary string, do func(context.Context, *I) (O, error)) {
	read(d, huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary}, func(ctx context.Context, in *I) (*struct{ Body O }, error) {
		out, err := do(ctx, in)
		return &struct{ Body O }{out}, err
	})
}

// ReadList is Read for a list that is told in parts.
func ReadList[I, T any](d Door, id, path, summary string, do func(context.Context, *I) (*Listed[T], error)) {
	read(d, huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary}, do)
}

func read[I, A any](d Door, op huma.Operation, do func(context.Context, *I) (*A, error)) {
	op.Security = Security
	huma.Register(d.Doc, op, func(ctx context.Context, in *I) (*A, error) {
		if _, err := d.Who(ctx, any(in).(asking).credentials(), login.ScopeRead); err != nil {
			return nil, err
		}
		out, err := do(ctx, in)
		if err != nil {
			return nil, Known(d.Log, err)
		}
		return out, nil
	})
}

// onlyKnown refuses a query that an operation does not have: nothing in it is passed over, for with
// a query that is misspelt the newest version would be installed.
func onlyKnown(doc huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		asked := ctx.URL()
		if wrong := unknown(asked.Query(), ctx.Operation().Parameters); wrong != nil {
			_ = huma.WriteErr(doc, ctx, http.StatusUnprocessableEntity, noQuery, wrong)
			return
		}
		next(ctx)
	}
}

const noQuery = "the address has a query that is not known"

// unknown names a query that is none of an operation's.
func unknown(query url.Values, parameters []*huma.Param) error {
	for name := range query {
		if !slices.ContainsFunc(parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name }) {
			return Field("query."+name, "/openapi.json describes those that there are")
		}
	}
	return nil
}

// asking is any input with credentials.
type asking interface{ credentials() Credentials }

func (c Credentials) credentials() Credentials { return c }
