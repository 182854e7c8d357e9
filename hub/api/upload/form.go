package upload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const (
	maxMetadata = 64 << 10
	maxParts    = 8
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

// form are the parts of an upload.
type form struct {
	file     *blob.Incoming
	metadata []byte
}

// reader reads uploads.
type reader struct {
	packages blob.Store
	most     int64 // bytes of a package
	log      *slog.Logger
}

// receive reads the parts, in whatever order they come.
func (r reader) receive(req *http.Request) (f form, err error) {
	req.Body = http.MaxBytesReader(nil, req.Body, r.most+maxMetadata+(1<<20)) // the rest are headers of parts
	parts, err := req.MultipartReader()
	if err != nil {
		return f, huma.Error400BadRequest(`the body is not multipart/form-data: send the fields "file" and "metadata"`)
	}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.take(req.Context(), &f, part)
		}
		if err != nil {
			return f, r.broken(err)
		}
	}
	if f.file == nil {
		return f, huma.NewError(http.StatusUnprocessableEntity, "there is no package in the upload", door.Field("body.file", "send the package as a zip in the field file"))
	}
	return f, nil
}

func (r reader) take(ctx context.Context, f *form, part *multipart.Part) (err error) {
	switch part.FormName() {
	case "file":
		if f.file != nil {
			return huma.NewError(http.StatusUnprocessableEntity, "there are two packages in the upload", door.Field("body.file", "send one"))
		}
		f.file, err = r.packages.Receive(ctx, part, r.most)
	case "metadata":
		if f.metadata, err = io.ReadAll(io.LimitReader(part, maxMetadata+1)); len(f.metadata) > maxMetadata {
			return huma.NewError(http.StatusRequestEntityTooLarge, "the metadata are too large", door.Field("body.metadata", fmt.Sprintf("at most %d bytes", maxMetadata)))
		}
	default:
		return huma.NewError(http.StatusUnprocessableEntity, "the upload has a field that is not known", door.Field("body."+part.FormName(), "only file and metadata are"))
	}
	return err
}

// broken says why an upload could not be read.
func (r reader) broken(err error) error {
	var status huma.StatusError
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &status):
		return status
	case errors.Is(err, blob.ErrTooLarge), errors.As(err, &size):
		return huma.NewError(http.StatusRequestEntityTooLarge, "the package is too large", door.Field("body.file", fmt.Sprintf("at most %d MiB: leave out weights and datasets", r.most>>20)))
	case errors.Is(err, blob.ErrFull):
		return door.Known(r.log, err)
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
			return huma.NewError(http.StatusUnprocessableEntity, "the metadata are no JSON object of the fields that are known", door.Field("body.metadata", err.Error()))
		}
	}
	inside, err := peek(f.file.Path())
	if err != nil {
		return huma.NewError(http.StatusUnprocessableEntity, "the package cannot be taken: "+err.Error(), door.Field("body.file", err.Error()))
	}
	for _, word := range []struct{ name, given, inside string }{
		{"framework_name", given.FrameworkName, inside.Framework}, {"version", given.Version, inside.Version},
	} {
		if word.given != "" && word.given != word.inside {
			text := fmt.Sprintf("%q, but the package's capabilities.json says %q: make them the same", word.given, word.inside)
			return huma.NewError(http.StatusUnprocessableEntity, "the metadata do not agree with the package: "+word.name+" is "+text, door.Field("body.metadata."+word.name, text))
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
