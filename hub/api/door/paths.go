package door

import (
	"net/http"
	"strings"
)

// Addresses that several rooms have some of.
const (
	TrainersPath   = "/api/v1/trainers/"
	UploadPath     = TrainersPath + "upload"
	ValidationPath = TrainersPath + "validation/"
)

// paths are two muxes: the platform's addresses have fixed words (upload, validation)
// where others have a trainer's name, and one mux cannot tell
// trainers/validation/{id} from trainers/{name}/versions. No trainer may have those words
// as its name.
type paths struct{ named, others *http.ServeMux }

func newPaths() paths { return paths{http.NewServeMux(), http.NewServeMux()} }

// HandleFunc registers a pattern, METHOD PATH.
func (p paths) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	if strings.Contains(pattern, TrainersPath+"{name}") {
		p.named.HandleFunc(pattern, handler)
		return
	}
	p.others.HandleFunc(pattern, handler)
}

// ServeHTTP implements http.Handler.
func (p paths) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, below := strings.CutPrefix(r.URL.Path, TrainersPath)
	first, _, _ := strings.Cut(rest, "/")
	mux := p.others
	if below && first != "upload" && first != "validation" {
		mux = p.named
	}
	if _, found := mux.Handler(r); found == "" {
		w = nothing{w}
	}
	mux.ServeHTTP(w, r)
}

// nothing makes what a mux says of an address or a method that it does not know a problem.
type nothing struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (n nothing) WriteHeader(status int) {
	if status < http.StatusBadRequest { // on to a cleaner path
		n.ResponseWriter.WriteHeader(status)
		return
	}
	why := "there is nothing at this address; /openapi.json describes those that there are"
	if status == http.StatusMethodNotAllowed {
		why = "this address takes other methods: " + n.Header().Get("Allow")
	}
	Problem(n.ResponseWriter, status, why)
}

// Write leaves the mux's own words out.
func (nothing) Write(text []byte) (int, error) { return len(text), nil }
