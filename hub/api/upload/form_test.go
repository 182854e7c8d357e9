package upload

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// posted is an upload as a browser sends it, with a boundary that a fuzzer can hit.
func posted(t testing.TB, parts ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	err := w.SetBoundary("x")
	for _, part := range parts {
		var to io.Writer
		if to, err = w.CreateFormField(part[0]); err == nil {
			_, err = to.Write([]byte(part[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Whatever is uploaded is taken, or refused in words with a status of the sender's fault.
func FuzzForm(f *testing.F) {
	pack := string(zipped(f, [2]string{"capabilities.json", `{"framework": "cells", "version": "1.0.0", "display_name": "Cells"}`}))
	f.Add(posted(f, [2]string{"file", pack}, [2]string{"metadata", `{"version": "1.0.0"}`}))
	f.Add(posted(f, [2]string{"metadata", `{"version": "2.0.0"}`}, [2]string{"file", pack}))
	f.Add(posted(f, [2]string{"file", "x"}, [2]string{"file", "y"}))
	f.Add(posted(f, [2]string{"metadata", `{"nobody": 1}`}, [2]string{"file", pack}))
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=file\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=3D"))
	f.Add([]byte("--x--"))
	store, err := blob.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	from := reader{packages: store, most: 1 << 16, log: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<18 {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/submissions", bytes.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		form, err := from.receive(r)
		if form.file != nil {
			defer form.file.Discard()
		}
		if err == nil {
			err = form.describe(&submission.Upload{})
		}
		if status, ok := errors.AsType[huma.StatusError](err); err != nil && (!ok || status.GetStatus() < 400 || status.GetStatus() > 499) {
			t.Errorf("%v", err)
		}
	})
}
