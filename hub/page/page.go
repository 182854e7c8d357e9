// Package page is the hub's page for people: upload, live steps, findings. Its
// sources are in web/ (React, TypeScript, Vite); dist/ is what they build to and is
// committed, so that building the hub needs no Node: `make page` writes it.
//
// It promises that the page asks nobody but the hub, and works under its strict
// Content-Security-Policy. It leaves all data to hub/api.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed all:dist
var dist embed.FS

// Policy is the page's Content-Security-Policy: its own files, the hub's API, and no
// text that becomes code or markup.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// file is one file of the page.
type file struct {
	body []byte
	etag string
}

// Handler serves the page: "/" and what lies below /assets/.
func Handler() http.Handler {
	files := map[string]file{}
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := dist.ReadFile(name)
		sum := sha256.Sum256(body)
		files[name[len("dist"):]] = file{body, `"` + hex.EncodeToString(sum[:16]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // what is embedded can be read
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path
		if name == "/" {
			name = "/index.html"
		}
		found, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", Policy)
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		w.Header().Set("Cache-Control", "no-cache") // kept, and asked for by its ETag
		w.Header().Set("ETag", found.etag)
		http.ServeContent(w, r, path.Base(name), time.Time{}, bytes.NewReader(found.body))
	})
}
