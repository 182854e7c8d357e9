package api

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

	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const (
	uploadPath = "/api/v1/trainers/upload"
	maxKey     = 200
	maxUpload  = time.Hour
	// maxReceiving bounds what a user's uploads take of the disk before the quota counts them.
	maxReceiving = 3
)

type accepted struct {
	ValidationJobID string `json:"validation_job_id"`
	Status          string `json:"status"`
	URL             string `json:"url"`
}

// uploads take packages.
type uploads struct {
	gate
	intake    *submission.Intake
	reader    reader
	url       string // where people reach the hub
	publishes bool   // without it every upload must be a dry run
	reading   *atOnce
}

// register registers POST /api/v1/trainers/upload: on the mux itself, because huma would
// hold the whole body in memory.
func (u uploads) register(d door) {
	d.raw(huma.Operation{
		OperationID: "upload-trainer", Method: http.MethodPost, Path: uploadPath, Summary: "Upload a trainer package to be proven and published", Security: security,
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
			"application/json": {Schema: d.doc.OpenAPI().Components.Schemas.Schema(typeOf[accepted](), true, "Accepted")},
		}}},
	}, u.take)
}

func (u uploads) take(w http.ResponseWriter, r *http.Request) {
	p, err := u.who(r.Context(), credentialsOf(r), login.ScopePublish)
	if err != nil {
		answer(w, err)
		return
	}
	up := submission.Upload{Owner: p.ID, Operator: p.Operator(), Key: r.Header.Get("Idempotency-Key")}
	if up.DryRun, err = dryRun(r); err != nil {
		answer(w, err)
		return
	}
	if len(up.Key) > maxKey || !utf8.ValidString(up.Key) {
		problem(w, http.StatusBadRequest, "the Idempotency-Key is too long, or no UTF-8", field("header.Idempotency-Key", fmt.Sprintf("at most %d characters", maxKey)))
		return
	}
	if !up.DryRun && !u.publishes {
		problem(w, http.StatusUnprocessableEntity, "this hub proves packages and does not publish them: upload with ?dry_run=true", field("query.dry_run", "must be true here"))
		return
	}
	if err := u.intake.MayUpload(r.Context(), p.ID, up.Key); err != nil {
		answer(w, known(u.log, err))
		return
	}
	if !u.reading.begin(p.ID) {
		problem(w, http.StatusTooManyRequests, fmt.Sprintf("%d uploads of yours are being read: send this one when one of them has ended", maxReceiving))
		return
	}
	defer u.reading.end(p.ID)
	control, until := http.NewResponseController(w), time.Now().Add(maxUpload) // packages are large, and lines slow
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until.Add(slowest))); err != nil {
		answer(w, known(u.log, err))
		return
	}
	form, err := u.reader.receive(r)
	if form.file != nil {
		defer form.file.Discard()
	}
	if err != nil {
		answer(w, err)
		return
	}
	if err := form.describe(&up); err != nil {
		answer(w, err)
		return
	}
	up.Keep = form.file.Keep
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), slowest) // it came whole: a client that goes now changes nothing
	defer cancel()
	made, err := u.intake.Create(ctx, up)
	if err != nil {
		answer(w, known(u.log, err))
		return
	}
	at := u.url + validationPath + made.ID
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", at)
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(accepted{made.ID, made.State.Status(), at})
}

// dryRun reads the query. Nothing in it is passed over: who means a dry run publishes nothing.
func dryRun(r *http.Request) (bool, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return false, huma.Error400BadRequest("the address has a query that cannot be read: " + err.Error())
	}
	for name := range query {
		if name != "dry_run" {
			return false, huma.NewError(http.StatusUnprocessableEntity, "the address has a query that is not known", field("query."+name, "only dry_run is"))
		}
	}
	switch said := query["dry_run"]; {
	case len(said) == 0, slices.Equal(said, []string{"false"}):
		return false, nil
	case slices.Equal(said, []string{"true"}):
		return true, nil
	default:
		return false, huma.NewError(http.StatusUnprocessableEntity, "it cannot be told whether this is a dry run", field("query.dry_run", "say true or false"))
	}
}
