package trainers

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/readme"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// Trainer is a version of a trainer with all that the hub knows of it.
type Trainer struct {
	Published
	readme.Contents
	Schema any   `json:"schema" doc:"What config_schema.py printed; null where it is not kept."`
	Proof  Proof `json:"proof"`
}

// Proof is what was measured when the version was proven.
type Proof struct {
	Isolation string       `json:"isolation" doc:"How its code was kept from the hub's machine."`
	Models    int          `json:"models_validated" doc:"Models that were really built; 0 where its script builds none."`
	Unscanned []string     `json:"unscanned" doc:"Scans that were not made, which the operator allowed."`
	Steps     []ProvenStep `json:"steps"`
}

// ProvenStep is one step of the proof.
type ProvenStep struct {
	Name    string  `json:"name"`
	Status  string  `json:"status"`
	Seconds float64 `json:"seconds"`
}

// shelf shows what is published to those who look for a trainer.
type shelf struct {
	trainers
	records  *submission.Records
	packages blob.Store
}

type wanted struct {
	door.Credentials
	door.Listing
	Query string `query:"q" maxLength:"200" doc:"Words that the name, the display name or the description has, all of them."`
	Task  string `query:"task" maxLength:"64" doc:"A task type that it supports."`
}

func (s shelf) register() {
	door.ReadList(s.Door, "list-trainers", "/api/v1/trainers", "Every trainer by the version that is installed without asking for one, newest first", s.list)
	door.Read(s.Door, "get-trainer", http.MethodGet, door.TrainersPath+"{name}", "A version of a trainer, with its README, options and proof", s.get)
}

// list has one entry for each trainer: the version that install takes.
func (s shelf) list(ctx context.Context, in *wanted) (*door.Listed[Published], error) {
	return door.List(&in.Listing, Published.place, func(from store.Place, most int) ([]Published, error) {
		all, err := s.published(ctx, "")
		list := []Published{}
		for len(all) > 0 {
			name := all[0].Name
			next := slices.IndexFunc(all, func(p Published) bool { return p.Name != name })
			if next < 0 {
				next = len(all)
			}
			if one := installed(all[:next]); one != nil && one.fits(in) && one.place().Compare(from) < 0 {
				list = append(list, *one)
			}
			all = all[next:]
		}
		slices.SortFunc(list, func(a, b Published) int { return b.place().Compare(a.place()) })
		return list[:min(len(list), most)], err
	})
}

// place is where a trainer stands in the catalogue.
func (p Published) place() store.Place { return store.Place{Created: p.Published, ID: p.Name} }

// installed is the version that is taken where none is named: the newest by its number that
// is offered and no pre-release, else the newest that is offered; nil where none is.
func installed(versions []Published) *Published {
	versions = slices.DeleteFunc(slices.Clone(versions), func(p Published) bool { return !catalog.State(p.State).Offered() })
	if len(versions) == 0 {
		return nil
	}
	if i := slices.IndexFunc(versions, func(p Published) bool { return !strings.Contains(p.Version, "-") }); i > 0 {
		return &versions[i]
	}
	return &versions[0]
}

func (p *Published) fits(in *wanted) bool {
	if in.Task != "" && !slices.Contains(p.Card.Tasks, in.Task) {
		return false
	}
	text := strings.ToLower(strings.Join([]string{p.Name, p.Card.DisplayName, p.Card.Description}, " "))
	return !slices.ContainsFunc(strings.Fields(strings.ToLower(in.Query)), func(word string) bool { return !strings.Contains(text, word) })
}

func (s shelf) get(ctx context.Context, in *named) (at Trainer, err error) {
	version, err := s.catalog.Installable(ctx, in.Name, in.Version)
	if err != nil {
		return at, err
	}
	if at.Published, err = s.publishedAs(version); err != nil {
		return at, err
	}
	file, done, err := s.packages.Take(ctx, version.SHA256)
	if err != nil {
		return at, err
	}
	defer done()
	if at.Contents, err = readme.Read(file); err != nil {
		return at, err
	}
	return at, s.prove(ctx, version, &at)
}

// prove adds what the steps of the version's proof told. Their findings and logs are its
// author's.
func (s shelf) prove(ctx context.Context, version catalog.Version, at *Trainer) error {
	behind, err := s.records.Behind(ctx, version.Name, version.Version)
	if err != nil {
		return err
	}
	steps, err := s.records.Steps(ctx, behind)
	at.Proof.Unscanned, at.Proof.Steps = []string{}, []ProvenStep{}
	for _, step := range steps {
		at.Proof.Steps = append(at.Proof.Steps, ProvenStep{step.Name, step.Status, step.Seconds})
		at.Proof.add(step)
		if schema, told := step.Facts["schema"]; told {
			at.Schema = schema
		}
	}
	return err
}

func (p *Proof) add(step contract.StepReport) {
	if level, told := step.Facts["isolation"].(string); told {
		p.Isolation = level
	}
	if models, told := step.Facts["models_validated"].(float64); told {
		p.Models = int(models)
	}
	for _, f := range step.Findings {
		scan, unscanned := strings.CutPrefix(f.Rule, "unscanned.")
		if unscanned && !slices.Contains(p.Unscanned, scan) {
			p.Unscanned = append(p.Unscanned, scan)
		}
	}
}
