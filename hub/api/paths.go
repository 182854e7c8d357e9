package api

import (
	"net/http"
	"strings"
)

const trainersPath = "/api/v1/trainers/"

// paths are two muxes: the platform's addresses have fixed words (upload, validation)
// where others have a trainer's name, and one mux cannot tell
// trainers/validation/{id} from trainers/{name}/versions. No trainer may have those words
// as its name.
type paths struct{ named, others *http.ServeMux }

func newPaths() paths { return paths{http.NewServeMux(), http.NewServeMux()} }

// HandleFunc registers a pattern, METHOD PATH.
func (p paths) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	if strings.Contains(pattern, trainersPath+"{name}") {
		p.named.HandleFunc(pattern, handler)
		return
	}
	p.others.HandleFunc(pattern, handler)
}

// ServeHTTP implements http.Handler.
func (p paths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, below := strings.CutPrefix(r.URL.Path, trainersPath)
	first, _, _ := strings.Cut(rest, "/")
	if below && first != "upload" && first != "validation" {
		p.named.ServeHTTP(w, r)
		return
	}
	p.others.ServeHTTP(w, r)
}
