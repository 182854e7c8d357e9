package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const (
	uploadPath  = "/api/v1/trainers/upload"
	maxMetadata = 64 << 10
	maxKey      = 200
	maxParts    = 8
	maxUpload   = time.Hour
	// maxReceiving bounds what a user's uploads take of the disk before the quota counts them.
	maxReceiving = 3
)

// Metadata is the field "metadata" of an upload. What is left out is taken from
// the package's capabilities.json; what is given must agree with it.
type Metadata struct {
	FrameworkName string `json:"framework_name,omitempty"`
	DisplayName   string `json:"display_name,omitempty"`
	Description   string `json:"description,omitempty"`
	Version       string `json:"version,omitempty"`
	Organisation  string `json:"organisation,omitempty"`
}

type accepted struct {
	ValidationJobID string `json:"validation_job_id"`
	Status          string `json:"status"`
	URL             string `json:"url"`
}

// uploads is POST /api/v1/trainers/upload: on the mux itself, because huma would
// hold the whole body in memory.
func (d door) uploads() {
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
	}, d.upload)
}

func (d door) upload(w http.ResponseWriter, r *http.Request) {
	p, err := d.who(r.Context(), credentialsOf(r), login.ScopePublish)
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
	if !up.DryRun && !d.Publishes {
		problem(w, http.StatusUnprocessableEntity, "this hub proves packages and does not publish them: upload with ?dry_run=true", field("query.dry_run", "must be true here"))
		return
	}
	if err := d.Submissions.MayUpload(r.Context(), p.ID, up.Key); err != nil {
		answer(w, known(d.Log, err))
		return
	}
	if !d.reading.begin(p.ID) {
		problem(w, http.StatusTooManyRequests, fmt.Sprintf("%d uploads of yours are being read: send this one when one of them has ended", maxReceiving))
		return
	}
	defer d.reading.end(p.ID)
	control, until := http.NewResponseController(w), time.Now().Add(maxUpload) // packages are large, and lines slow
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until.Add(slowest))); err != nil {
		answer(w, known(d.Log, err))
		return
	}
	form, err := d.receive(r)
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
	made, err := d.Submissions.Create(ctx, up)
	if err != nil {
		answer(w, known(d.Log, err))
		return
	}
	at := d.URL + validationPath + made.ID
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

// form are the parts of an upload.
type form struct {
	file     *blob.Incoming
	metadata []byte
}

// receive reads the parts, in whatever order they come.
func (d door) receive(r *http.Request) (f form, err error) {
	r.Body = http.MaxBytesReader(nil, r.Body, d.MaxPackage+maxMetadata+(1<<20)) // the rest are headers of parts
	parts, err := r.MultipartReader()
	if err != nil {
		return f, huma.Error400BadRequest(`the body is not multipart/form-data: send the fields "file" and "metadata"`)
	}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = d.take(r, &f, part)
		}
		if err != nil {
			return f, d.broken(err)
		}
	}
	if f.file == nil {
		return f, huma.NewError(http.StatusUnprocessableEntity, "there is no package in the upload", field("body.file", "send the package as a zip in the field file"))
	}
	return f, nil
}

func (d door) take(r *http.Request, f *form, part *multipart.Part) (err error) {
	switch part.FormName() {
	case "file":
		if f.file != nil {
			return huma.NewError(http.StatusUnprocessableEntity, "there are two packages in the upload", field("body.file", "send one"))
		}
		f.file, err = d.Packages.Receive(r.Context(), part, d.MaxPackage)
	case "metadata":
		if f.metadata, err = io.ReadAll(io.LimitReader(part, maxMetadata+1)); len(f.metadata) > maxMetadata {
			return huma.NewError(http.StatusRequestEntityTooLarge, "the metadata are too large", field("body.metadata", fmt.Sprintf("at most %d bytes", maxMetadata)))
		}
	default:
		return huma.NewError(http.StatusUnprocessableEntity, "the upload has a field that is not known", field("body."+part.FormName(), "only file and metadata are"))
	}
	return err
}

// broken says why an upload could not be read.
func (d door) broken(err error) error {
	var status huma.StatusError
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &status):
		return status
	case errors.Is(err, blob.ErrTooLarge), errors.As(err, &size):
		return huma.NewError(http.StatusRequestEntityTooLarge, "the package is too large", field("body.file", fmt.Sprintf("at most %d MiB: leave out weights and datasets", d.MaxPackage>>20)))
	case errors.Is(err, blob.ErrFull):
		return known(d.Log, err)
	default:
		return huma.Error400BadRequest("the upload broke off: nothing of it was kept, send it again")
	}
}

// describe takes name and version from the metadata and from the package itself,
// which must agree.
func (f form) describe(up *submission.Upload) error {
	var given Metadata
	if len(f.metadata) > 0 {
		if err := strictly(f.metadata, &given); err != nil {
			return huma.NewError(http.StatusUnprocessableEntity, "the metadata are no JSON object of the fields that are known", field("body.metadata", err.Error()))
		}
	}
	inside, err := peek(f.file.Path())
	if err != nil {
		return huma.NewError(http.StatusUnprocessableEntity, "the package cannot be taken: "+err.Error(), field("body.file", err.Error()))
	}
	for _, word := range []struct{ name, given, inside string }{
		{"framework_name", given.FrameworkName, inside.Framework}, {"version", given.Version, inside.Version},
	} {
		if word.given != "" && word.given != word.inside {
			text := fmt.Sprintf("%q, but the package's capabilities.json says %q: make them the same", word.given, word.inside)
			return huma.NewError(http.StatusUnprocessableEntity, "the metadata do not agree with the package: "+word.name+" is "+text, field("body.metadata."+word.name, text))
		}
	}
	full := Metadata{FrameworkName: inside.Framework, Version: inside.Version, DisplayName: or(given.DisplayName, inside.DisplayName), Description: or(given.Description, inside.Description), Organisation: given.Organisation}
	text, err := json.Marshal(full)
	up.Name, up.Version, up.SHA256, up.Size, up.Metadata, up.Organisation = inside.Framework, inside.Version, f.file.SHA256, f.file.Size, string(text), given.Organisation
	return err
}

// strictly reads JSON that has no field of another name: one that is misspelt would be passed over.
func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

func or(first, second string) string {
	if first != "" {
		return first
	}
	return second
}
