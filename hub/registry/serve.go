package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ServeHTTP answers what container runtimes ask below /v2/, by the distribution
// specification 1.1. Nothing is taken: only the hub itself pushes, by Push.
func (f *Folder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "packages are uploaded to the hub, which pushes their images itself")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if path == "" {
		answer(w, "application/json", struct{}{})
		return
	}
	parts := strings.Split(path, "/")
	if len(parts) < 3 {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "no repository is named")
		return
	}
	repository, kind, reference := strings.Join(parts[:len(parts)-2], "/"), parts[len(parts)-2], parts[len(parts)-1]
	if !repositoryForm.MatchString(repository) {
		refuse(w, http.StatusNotFound, "NAME_INVALID", "that is no repository's name")
		return
	}
	var err error
	switch kind {
	case "manifests":
		err = f.serveManifest(w, r, repository, reference)
	case "blobs":
		err = f.serveBlob(w, r, reference)
	case "tags":
		err = f.serveTags(w, repository)
	case "referrers":
		err = f.serveReferrers(w, repository, reference)
	default:
		err = ErrNotFound
	}
	switch {
	case errors.Is(err, ErrNotFound):
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", err.Error())
	case err != nil:
		refuse(w, http.StatusInternalServerError, "UNKNOWN", "the hub could not read its registry")
	}
}

func (f *Folder) serveManifest(w http.ResponseWriter, r *http.Request, repository, reference string) error {
	if !digestForm.MatchString(reference) {
		if !tagForm.MatchString(reference) {
			return ErrNotFound
		}
		digest, err := os.ReadFile(f.tag(repository, reference))
		if err != nil {
			return ErrNotFound
		}
		reference = string(digest)
	}
	content, err := f.openManifest(repository, reference)
	if err != nil {
		return err
	}
	return send(w, r, content, reference)
}

func (f *Folder) serveBlob(w http.ResponseWriter, r *http.Request, digest string) error {
	if !digestForm.MatchString(digest) {
		return ErrNotFound
	}
	content, err := open(f.blob(digest))
	if err != nil {
		return err
	}
	content.MediaType = "application/octet-stream"
	return send(w, r, content, digest)
}

// send answers with a file, or the part that was asked for.
func send(w http.ResponseWriter, r *http.Request, content *Content, digest string) error {
	defer func() { _ = content.Close() }()
	h := w.Header()
	h.Set("Content-Type", content.MediaType)
	h.Set("Docker-Content-Digest", digest)
	h.Set("ETag", `"`+digest+`"`)
	info, err := content.ReadCloser.(*os.File).Stat()
	if err == nil {
		http.ServeContent(w, r, "", info.ModTime(), content.ReadCloser.(io.ReadSeeker))
	}
	return err
}

func (f *Folder) serveTags(w http.ResponseWriter, repository string) error {
	entries, err := os.ReadDir(filepath.Dir(f.tag(repository, "x")))
	if err != nil {
		return ErrNotFound
	}
	tags := []string{}
	for _, entry := range entries {
		tags = append(tags, entry.Name())
	}
	answer(w, "application/json", map[string]any{"name": repository, "tags": tags})
	return nil
}

// serveReferrers lists the manifests whose subject is a digest.
func (f *Folder) serveReferrers(w http.ResponseWriter, repository, digest string) error {
	if !digestForm.MatchString(digest) {
		return ErrNotFound
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	entries, _ := os.ReadDir(filepath.Dir(f.manifest(repository, "x"))) // a repository that is not there has none
	for _, entry := range entries {
		m, err := readManifest(f.manifest(repository, entry.Name()))
		if err != nil {
			return err
		}
		if m.Subject == nil || m.Subject.Digest.String() != digest {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, v1.Descriptor{
			MediaType: m.MediaType, Size: info.Size(), Digest: v1.Hash{Algorithm: "sha256", Hex: entry.Name()},
			ArtifactType: string(m.Config.MediaType), Annotations: m.Annotations,
		})
	}
	slices.SortFunc(index.Manifests, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
	answer(w, string(types.OCIImageIndex), index)
	return nil
}

func answer(w http.ResponseWriter, kind string, body any) {
	text, _ := json.Marshal(body) // of strings and numbers
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write(text)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}
