// Package upload takes packages in.
//
// It promises that a package goes to the disk within its limits, that what is told of it
// agrees with what is in it, and that nothing of an upload that broke off is kept. It
// leaves who may have a name, and whether the archive is safe, to hub/submission.
package upload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const (
	maxKey = 200
	// maxReceiving bounds what a user's uploads take of the disk before the quota counts them.
	maxReceiving = 3
)

type accepted struct {
	ValidationJobID string `json:"validation_job_id"`
	Status          string `json:"status"`
	URL             string `json:"url"`
}

// Uploads take packages.
type Uploads struct {
	Intake   *submission.Intake
	Packages blob.Store
	// MaxPackage is the most bytes of a package.
	MaxPackage int64
	// URL is where people reach the hub.
	URL string
	// Publishes is whether what was proven is published; without it every upload must be a dry run.
	Publishes bool
}

// Register puts the handler in.
func (u Uploads) Register(d door.Door) {
	uploads{
		Gate: d.Gate, intake: u.Intake, reader: reader{u.Packages, u.MaxPackage, d.Log},
		url: u.URL, publishes: u.Publishes, reading: door.NewAtOnce(maxReceiving),
	}.register(d)
}

// uploads take packages of whoever may send them.
type uploads struct {
	door.Gate
	intake    *submission.Intake
	reader    reader
	url       string // where people reach the hub
	publishes bool   // without it every upload must be a dry run
	reading   *door.AtOnce
}

// register registers POST /api/v1/trainers/upload: on the mux itself, because huma would
// hold the whole body in memory.
func (u uploads) register(d door.Door) {
	d.Raw(huma.Operation{
		OperationID: "upload-trainer", Method: http.MethodPost, Path: door.UploadPath, Summary: "Upload a trainer package to be proven and published", Security: door.Security,
		Parameters: []*huma.Param{
			{Name: "dry_run", In: "query", Description: "true: prove it, publish nothing.", Schema: &huma.Schema{Type: "boolean"}},
			{Name: "Idempotency-Key", In: "header", Description: "The same key with the same upload makes no second submission.", Schema: &huma.Schema{Type: "string"}},
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
			Type: "object", Required: []string{"file"}, Properties: map[string]*huma.Schema{
				"file":     {Type: "string", Format: "binary", Description: "The package as a zip."},
				"metadata": {Type: "string", Description: `JSON: {"framework_name", "display_name", "description", "version", "organisation"}, each optional; an organisation owns the name if it is new.`},
			},
		}}}},
		Responses: map[string]*huma.Response{"202": {Description: "The package waits to be validated.", Content: map[string]*huma.MediaType{
			"application/json": {Schema: d.Doc.OpenAPI().Components.Schemas.Schema(typeOf[accepted](), true, "Accepted")},
		}}},
	}, u.take)
}

func (u uploads) take(w http.ResponseWriter, r *http.Request) {
	p, err := u.Who(r.Context(), door.CredentialsOf(r), login.ScopePublish)
	if err != nil {
		door.Answer(w, err)
		return
	}
	up := submission.Upload{Owner: p.ID, Operator: p.Operator(), Key: r.Header.Get("Idempotency-Key")}
	if up.DryRun, err = dryRun(r); err != nil {
		door.Answer(w, err)
		return
	}
	if len(up.Key) > maxKey || !utf8.ValidString(up.Key) {
		door.Problem(w, http.StatusBadRequest, "the Idempotency-Key is too long, or no UTF-8", door.Field("header.Idempotency-Key", fmt.Sprintf("at most %d characters", maxKey)))
		return
	}
	if !up.DryRun && !u.publishes {
		door.Problem(w, http.StatusUnprocessableEntity, "this hub proves packages and does not publish them: upload with ?dry_run=true", door.Field("query.dry_run", "must be true here"))
		return
	}
	if err := u.intake.MayUpload(r.Context(), p.ID, up.Key); err != nil {
		door.Answer(w, door.Known(u.Log, err))
		return
	}
	if !u.reading.Begin(p.ID) {
		door.Problem(w, http.StatusTooManyRequests, fmt.Sprintf("%d uploads of yours are being read: send this one when one of them has ended", maxReceiving))
		return
	}
	defer u.reading.End(p.ID)
	control, until := http.NewResponseController(w), time.Now().Add(door.MaxUpload) // packages are large, and lines slow
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until.Add(door.Slowest))); err != nil {
		door.Answer(w, door.Known(u.Log, err))
		return
	}
	form, err := u.reader.receive(r)
	if form.file != nil {
		defer form.file.Discard()
	}
	if err != nil {
		door.Answer(w, err)
		return
	}
	if err := form.describe(&up); err != nil {
		door.Answer(w, err)
		return
	}
	made, err := u.create(context.WithoutCancel(r.Context()), up, form.file) // it came whole: a client that goes now changes nothing
	if err != nil {
		door.Answer(w, door.Known(u.Log, err))
		return
	}
	at := u.url + door.ValidationPath + made.ID
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", at)
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(accepted{made.ID, made.State.Status(), at})
}

// create keeps a package and makes it a submission: never one without its package, and of what
// would be refused nothing is kept. Bytes that make none after all, also by a kill, are found by their
// announcement.
func (u uploads) create(ctx context.Context, up submission.Upload, file *blob.Incoming) (made submission.Submission, err error) {
	begin, cancel := context.WithTimeout(ctx, door.Slowest)
	defer cancel()
	arrival, earlier, err := u.intake.Announce(begin, up)
	if err != nil {
		return made, err
	}
	if earlier != nil {
		return *earlier, nil
	}
	up.Arrival = arrival
	defer u.abandon(ctx, arrival)
	if err := u.reader.packages.Keep(ctx, file); err != nil { // a bucket has its own patience
		return made, err
	}
	ctx, cancel = context.WithTimeout(ctx, door.Slowest)
	defer cancel()
	return u.intake.Create(ctx, up)
}

// abandon gives up bytes that made no submission. Where that fails, a later start of the hub does it.
func (u uploads) abandon(ctx context.Context, arrival string) {
	ctx, cancel := context.WithTimeout(ctx, door.Slowest)
	defer cancel()
	if err := u.intake.Abandon(ctx, arrival); err != nil {
		u.Log.Error("giving up an upload", "error", err)
	}
}

// dryRun reads the query. Nothing in it is passed over: who means a dry run publishes nothing.
func dryRun(r *http.Request) (bool, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return false, huma.Error400BadRequest("the address has a query that cannot be read: " + err.Error())
	}
	for name := range query {
		if name != "dry_run" {
			return false, huma.NewError(http.StatusUnprocessableEntity, "the address has a query that is not known", door.Field("query."+name, "only dry_run is"))
		}
	}
	switch said := query["dry_run"]; {
	case len(said) == 0, slices.Equal(said, []string{"false"}):
		return false, nil
	case slices.Equal(said, []string{"true"}):
		return true, nil
	default:
		return false, huma.NewError(http.StatusUnprocessableEntity, "it cannot be told whether this is a dry run", door.Field("query.dry_run", "say true or false"))
	}
}
