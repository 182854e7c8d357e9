// Package page is what a browser sees of the sandbox: a list of jobs and one job
// live, with its curves, samples, checkpoints, events and log.
//
// It promises to work without a network, by keyboard, in light and dark, and
// never to run what a job has uploaded. It reads the bucket through the S3 API
// and the callbacks through package backend, and changes neither.
package page

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
)

//go:embed assets
var assets embed.FS

// Recorder is where the callbacks of a job are read.
type Recorder interface {
	Calls(job string) []backend.Call
}

// Config says where a page finds its data; every field is required.
type Config struct {
	Objects *s3.Client
	Bucket  string
	Calls   Recorder
}

type handler struct {
	client   *s3.Client
	bucket   string
	calls    Recorder
	archives archives
}

// New returns the page with its paths: /, /assets/, /_sandbox/objects,
// /_sandbox/samples and /_sandbox/images.
func New(c Config) http.Handler {
	h := &handler{client: c.Objects, bucket: c.Bucket, calls: c.Calls}
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "index.html") })
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(files)))
	mux.HandleFunc("GET /_sandbox/objects", h.listObjects)
	mux.HandleFunc("GET /_sandbox/objects/{key...}", h.getObject)
	mux.HandleFunc("GET /_sandbox/samples/{job}", h.samples)
	mux.HandleFunc("GET /_sandbox/images/{dataset}", h.image)
	return harden(mux)
}

// harden lets the page load only what comes from this server.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone when this fails
}

// refuse answers an error in a sentence.
func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"detail": detail})
}
