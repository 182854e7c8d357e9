package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// Published is a version of a trainer that everybody may train with.
type Published struct {
	contract.Release
	Reference string `json:"reference" doc:"The image for a container runtime, NAME@sha256:…; empty where the hub makes none."`
	Published int64  `json:"published" doc:"Milliseconds since 1970."`
}

// Install is what a job needs to train with a version.
type Install struct {
	Published
	Environment map[string]string `json:"environment" doc:"For the job, beside its settings."`
	PodSpec     map[string]any    `json:"pod_spec,omitempty" doc:"A Kubernetes pod spec; absent where there is no image."`
}

// Key is who signs.
type Key struct {
	Algorithm string `json:"algorithm"`
	ID        string `json:"id" doc:"SHA-256 of the public key, hexadecimal."`
	Public    []byte `json:"public" doc:"The public key, base64."`
}

// named is a trainer or a version of it, as the address or the query names it.
type named struct {
	Credentials
	Name    string `path:"name" maxLength:"64"`
	Version string `query:"version" maxLength:"64" doc:"By default the newest that is no pre-release."`
}

// trainers are what is published.
func (d door) trainers() {
	read(d, "list-trainers", http.MethodGet, "/api/v1/trainers", "Every version of every trainer", func(ctx context.Context, _ *struct{ Credentials }) ([]Published, error) {
		return d.published(ctx, "")
	})
	read(d, "list-versions", http.MethodGet, trainersPath+"{name}/versions", "The versions of a trainer, newest first", func(ctx context.Context, in *struct {
		Credentials
		Name string `path:"name" maxLength:"64"`
	}) ([]Published, error) {
		list, err := d.published(ctx, in.Name)
		if err == nil && len(list) == 0 {
			err = submission.ErrNoVersion
		}
		return list, err
	})
	read(d, "install-trainer", http.MethodPost, trainersPath+"{name}/install", "What a job needs to train with a version", func(ctx context.Context, in *named) (Install, error) {
		version, err := d.Submissions.Version(ctx, in.Name, in.Version)
		if err != nil {
			return Install{}, err
		}
		p, err := d.publishedAs(version)
		return install(p), err
	})
	read(d, "key", http.MethodGet, "/api/v1/key", "The key that signs what is published", func(context.Context, *struct{ Credentials }) (Key, error) {
		if d.Key == nil {
			return Key{}, submission.ErrNoVersion
		}
		sum := sha256.Sum256(d.Key)
		return Key{"ed25519", hex.EncodeToString(sum[:]), d.Key}, nil
	})
	d.raw(huma.Operation{
		OperationID: "content", Method: http.MethodGet, Path: trainersPath + "{name}/content/{digest}", Security: security,
		Summary: "A manifest or a blob of a trainer, by its digest",
		Parameters: []*huma.Param{
			{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}},
			{Name: "digest", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "sha256:HEX"},
		},
	}, d.content)
}

// read registers an operation that whoever may read may ask.
func read[I, O any](d door, id, method, path, summary string, do func(context.Context, *I) (O, error)) {
	huma.Register(d.doc, huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Security: security},
		func(ctx context.Context, in *I) (*struct{ Body O }, error) {
			if _, err := d.who(ctx, any(in).(asking).credentials(), login.ScopeRead); err != nil {
				return nil, err
			}
			out, err := do(ctx, in)
			if err != nil {
				return nil, known(d.Log, err)
			}
			return &struct{ Body O }{out}, nil
		})
}

// asking is any input with credentials.
type asking interface{ credentials() Credentials }

func (c Credentials) credentials() Credentials { return c }

func (d door) published(ctx context.Context, name string) ([]Published, error) {
	versions, err := d.Submissions.Versions(ctx, name)
	list := []Published{}
	for _, v := range versions {
		p, wrong := d.publishedAs(v)
		if wrong != nil {
			return nil, wrong
		}
		list = append(list, p)
	}
	return list, err
}

func (d door) publishedAs(v submission.Version) (p Published, err error) {
	if err := json.Unmarshal(v.Receipt, &p.Release); err != nil {
		return p, fmt.Errorf("reading the receipt of %s %s: %w", v.Name, v.Version, err)
	}
	if p.Published = v.Published; p.Image != "" && d.Registry != nil {
		p.Reference = d.Registry.Name(p.Repository) + "@" + p.Image
	}
	return p, nil
}

func install(p Published) Install {
	i := Install{Published: p, Environment: map[string]string{
		"FRAMEWORK": p.Name, "TRAINER_NAME": p.Name, "TRAINER_VERSION": p.Version, "TRAINER_DIGEST": p.Image,
	}}
	if p.Image == "" {
		i.Environment["TRAINER_DIGEST"] = p.Bundle
		return i
	}
	env := []map[string]string{}
	for _, name := range []string{"FRAMEWORK", "TRAINER_NAME", "TRAINER_VERSION", "TRAINER_DIGEST"} {
		env = append(env, map[string]string{"name": name, "value": i.Environment[name]})
	}
	empty := map[string]any{}
	i.PodSpec = map[string]any{
		"restartPolicy": "Never", "automountServiceAccountToken": false,
		"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 1000, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
		"containers": []map[string]any{{
			"name": "trainer", "image": p.Reference, "env": env,
			"securityContext": map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": map[string]any{"drop": []string{"ALL"}}},
			"volumeMounts":    []map[string]any{{"name": "workspace", "mountPath": "/workspace"}, {"name": "tmp", "mountPath": "/tmp"}},
		}},
		"volumes": []map[string]any{{"name": "workspace", "emptyDir": empty}, {"name": "tmp", "emptyDir": empty}},
	}
	return i
}

// content sends bytes that may be gigabytes.
func (d door) content(w http.ResponseWriter, r *http.Request) {
	if _, err := d.who(r.Context(), credentialsOf(r), login.ScopeRead); err != nil {
		answer(w, err)
		return
	}
	version, err := d.Submissions.Version(r.Context(), r.PathValue("name"), "")
	if err == nil && d.Registry == nil {
		err = submission.ErrNoVersion
	}
	if err != nil {
		answer(w, known(d.Log, err))
		return
	}
	p, err := d.publishedAs(version)
	if err != nil {
		answer(w, known(d.Log, err))
		return
	}
	content, err := d.Registry.Open(r.Context(), p.Repository, r.PathValue("digest"))
	if err != nil {
		answer(w, known(d.Log, err))
		return
	}
	defer func() { _ = content.Close() }()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxUpload)); err != nil {
		answer(w, known(d.Log, err))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if content.MediaType != "" {
		w.Header().Set("Content-Type", content.MediaType)
	}
	w.Header().Set("Content-Length", fmt.Sprint(content.Size))
	_, _ = io.Copy(w, content)
}
