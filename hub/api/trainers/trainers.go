package trainers

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/naming"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// Published is a version of a trainer that everybody may train with.
type Published struct {
	contract.Release
	Reference string        `json:"reference" doc:"The image for a container runtime, NAME@sha256:…; empty where the hub makes none."`
	Card      contract.Card `json:"card" doc:"What a list shows of it."`
	Published int64         `json:"published" doc:"Milliseconds since 1970."`
	State     string        `json:"state" enum:"active,deprecated,yanked,quarantined,removed"`
	Reason    string        `json:"reason" doc:"Why it is in its state; empty when it is active and was never anything else."`
}

// Key is who signs.
type Key struct {
	Algorithm string `json:"algorithm"`
	ID        string `json:"id" doc:"SHA-256 of the public key, hexadecimal."`
	Public    []byte `json:"public" doc:"The public key, base64."`
}

// named is a trainer or a version of it, as the address or the query names it.
type named struct {
	door.Credentials
	Name    string `path:"name" maxLength:"64"`
	Version string `query:"version" maxLength:"64" doc:"By default the newest that is no pre-release."`
}

// placed is a version with the place that its jobs are to run in; of what is left out nothing is checked.
type placed struct {
	door.Credentials
	Name    string `path:"name" maxLength:"64"`
	Version string `query:"version" maxLength:"64" doc:"By default the newest that is no pre-release."`

	Agent  string `query:"agent" maxLength:"64" doc:"Version of trainer-agent that is there; images have their own."`
	Python string `query:"python" maxLength:"64" doc:"Version of Python that is there; images have their own."`
	Device string `query:"device" maxLength:"64" doc:"cuda or cpu."`
}

// meets refuses what would not train there.
func (w *placed) meets(p Published) error {
	if p.Requires == nil {
		return nil
	}
	asked := map[string]string{"agent": w.Agent, "python": w.Python}
	for _, unmet := range p.Requires.Unmet(contract.Place{Agent: w.Agent, Python: w.Python, Device: w.Device}) {
		switch {
		case unmet.Has == "" && asked[unmet.Field] != "":
			return huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf("%s %s requires %s %s, and %q is no version to compare with", p.Name, p.Version, unmet.Field, unmet.Needs, naming.Clip(asked[unmet.Field])), door.Field("query."+unmet.Field, "write it as 3.11, or leave it out"))
		case unmet.Has != "":
			return huma.NewError(http.StatusUnprocessableEntity, p.Name+" "+p.Version+" cannot train there: "+unmet.String(), door.Field("query."+unmet.Field, "is to be "+unmet.Needs))
		}
	}
	return nil
}

// trainers are what is published.
type trainers struct {
	door.Door
	catalog  *catalog.Catalog
	registry registry.Registry // nil where nothing is published, and so is the key
	key      ed25519.PublicKey
}

func (t trainers) register() {
	door.ReadList(t.Door, "list-versions", door.TrainersPath+"{name}/versions", "The versions of a trainer, newest first", t.versions)
	door.Read(t.Door, "install-trainer", http.MethodPost, door.TrainersPath+"{name}/install", "What a job needs to train with a version; refused where it could not", func(ctx context.Context, in *placed) (Install, error) {
		version, err := t.catalog.Installable(ctx, in.Name, in.Version)
		if err != nil {
			return Install{}, err
		}
		p, err := t.publishedAs(version)
		if err == nil {
			err = in.meets(p)
		}
		return install(p), err
	})
	door.Read(t.Door, "key", http.MethodGet, "/api/v1/key", "The key that signs what is published", func(context.Context, *struct{ door.Credentials }) (Key, error) {
		if t.key == nil {
			return Key{}, catalog.ErrNotFound
		}
		sum := sha256.Sum256(t.key)
		return Key{"ed25519", hex.EncodeToString(sum[:]), t.key}, nil
	})
	t.Asked(huma.Operation{
		OperationID: "content", Method: http.MethodGet, Path: door.TrainersPath + "{name}/content/{digest}", Security: door.Security,
		Summary: "A manifest or a blob of a trainer, by its digest",
		Parameters: []*huma.Param{
			{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}},
			{Name: "digest", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "sha256:HEX"},
		},
		Responses: door.Text("application/octet-stream", "Its bytes, with the media type that the trainer's manifest gives it."),
	}, t.content)
}

// versions stand in the order of their numbers, whenever each was published.
func (t trainers) versions(ctx context.Context, in *struct {
	door.Credentials
	door.Listing
	Name string `path:"name" maxLength:"64"`
}) (*door.Listed[Published], error) {
	place := func(p Published) store.Place { return store.Place{ID: p.Version} }
	return door.List(&in.Listing, place, func(from store.Place, most int) ([]Published, error) {
		list, err := t.published(ctx, in.Name)
		if err == nil && len(list) == 0 {
			err = catalog.ErrNotFound
		}
		if from != store.Newest() {
			if naming.CheckVersion(from.ID) != nil {
				return nil, huma.NewError(http.StatusUnprocessableEntity, "this list has no such place", door.NoCursor())
			}
			list = slices.DeleteFunc(list, func(p Published) bool { return naming.Number(p.Version).GE(naming.Number(from.ID)) })
		}
		return list[:min(len(list), most)], err
	})
}

func (t trainers) published(ctx context.Context, name string) ([]Published, error) {
	versions, err := t.catalog.Versions(ctx, name)
	list := []Published{}
	for _, v := range versions {
		p, wrong := t.publishedAs(v)
		if wrong != nil {
			return nil, wrong
		}
		list = append(list, p)
	}
	return list, err
}

func (t trainers) publishedAs(v catalog.Version) (p Published, err error) {
	if err := json.Unmarshal(v.Receipt, &p); err != nil {
		return p, fmt.Errorf("reading the receipt of %s %s: %w", v.Name, v.Version, err)
	}
	p.Card.Tasks = append([]string{}, p.Card.Tasks...)
	p.Published, p.State, p.Reason = v.Published, string(v.State), v.Reason
	if p.Image != "" && t.registry != nil {
		p.Reference = t.registry.Name(p.Repository) + "@" + p.Image
	}
	return p, nil
}
