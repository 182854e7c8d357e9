package hub_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

var following = regexp.MustCompile(`^<(/[^>]+)>; rel="next"$`)

// walk reads a list to its end, part by part, and returns the submissions, versions or acts in each part.
func (c client) walk(t *testing.T, path string) (parts [][]string) {
	t.Helper()
	for {
		got := c.ask(t, http.MethodGet, path)
		if got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		var rows []struct {
			ID      string      `json:"validation_job_id"`
			Seq     json.Number `json:"seq"`
			Name    string      `json:"name"`
			Version string      `json:"version"`
		}
		got.into(t, &rows)
		var ids []string
		for _, row := range rows {
			ids = append(ids, cmp.Or(row.ID, row.Seq.String(), row.Name+" "+row.Version)) // a published version has no submission
		}
		parts = append(parts, ids)
		link := got.header.Get("Link")
		if link == "" {
			return parts
		}
		next := following.FindStringSubmatch(link)
		if next == nil || len(parts) > 9 {
			t.Fatalf("after %v: %s", parts, link)
		}
		path = next[1]
	}
}

// A list that is longer than what was asked for leads to its rest: each row comes once, newest first,
// and what is added meanwhile moves nothing.
func TestListsGoOn(t *testing.T) {
	finding := contract.Finding{Rule: "pickle.code", Severity: contract.SeverityError, File: "weights.pkl", SHA256: "ab", Text: "it calls something"}
	refusing := reporting(contract.StepReport{Name: "security", Status: contract.StepFailed, Findings: []contract.Finding{finding}})
	r := start(t, hub.Config{Stages: hub.Stages{submission.Scanning: refusing}})
	ann, op := r.client(t, "ann"), client{r.URL(), r.token(t, "op", login.Operator, login.Scopes...), http.DefaultClient}
	var want []string
	add := func(name string) {
		id := ann.submit(t, name, "1.0.0", "?dry_run=true")
		ann.follow(t, id)
		if got := ann.say(t, "/api/v1/trainers/validation/"+id+"/appeal", `{"reason": "it is harmless"}`); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		want = slices.Insert(want, 0, id)
	}
	for _, name := range []string{"cell-counter", "leaf-finder", "road-reader"} {
		add(name)
	}
	for path, c := range map[string]client{"/api/v1/trainers/validation?limit=": ann, "/api/v1/trainers/validation?all=true&limit=": op, "/api/v1/admin/appeals?limit=": op, "/api/v1/notifications?limit=": ann} {
		for most, parts := range map[int][][]string{1: {want[:1], want[1:2], want[2:]}, 2: {want[:2], want[2:]}, 3: {want}} {
			if got := c.walk(t, fmt.Sprint(path, most)); !slices.EqualFunc(got, parts, slices.Equal) {
				t.Errorf("%s%d: %v, want %v", path, most, got, parts)
			}
		}
		if got := c.ask(t, http.MethodGet, path+"1&cursor=7"); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: a cursor that is none: %d %s", path, got.status, got.body)
		}
	}
	acts := op.walk(t, "/api/v1/admin/audit?limit=500")[0]
	for _, most := range []int{len(acts) / 2, len(acts) - 1, len(acts)} {
		parts := slices.Collect(slices.Chunk(acts, most))
		if got := op.walk(t, fmt.Sprint("/api/v1/admin/audit?limit=", most)); !slices.EqualFunc(got, parts, slices.Equal) {
			t.Errorf("the audit log by %d of %d: %v, want %v", most, len(acts), got, parts)
		}
	}
	first := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation?limit=1")
	add("wing-counter")
	if got := ann.walk(t, following.FindStringSubmatch(first.header.Get("Link"))[1]); !slices.EqualFunc(got, [][]string{want[2:3], want[3:]}, slices.Equal) {
		t.Errorf("after one was added: %v of %v", got, want)
	}
}

// The catalogue and the versions of a trainer lead to their rest too: trainers by when they were
// published, versions by their numbers.
func TestCatalogueGoesOn(t *testing.T) {
	publishing := func(_ context.Context, w *hub.Work) (err error) {
		w.Receipt, err = json.Marshal(contract.Release{Name: w.Package.Name, Version: w.Package.Version})
		return err
	}
	r := start(t, hub.Config{Stages: hub.Stages{submission.Publishing: publishing}})
	ann := r.client(t, "ann")
	for _, at := range [][2]string{{"leaf-finder", "1.10.0"}, {"leaf-finder", "1.9.0"}, {"road-reader", "1.0.0"}, {"leaf-finder", "2.0.0-rc.1"}, {"cell-counter", "1.0.0"}} {
		if id := ann.submit(t, at[0], at[1], ""); ann.follow(t, id) == nil || ann.get(t, id).State != submission.Active {
			t.Fatalf("%s: %+v", at, ann.get(t, id))
		}
	}
	for path, want := range map[string][]string{
		"/api/v1/trainers?":                      {"cell-counter 1.0.0", "road-reader 1.0.0", "leaf-finder 1.10.0"},
		"/api/v1/trainers?q=er&":                 {"cell-counter 1.0.0", "road-reader 1.0.0", "leaf-finder 1.10.0"},
		"/api/v1/trainers?q=cell&":               {"cell-counter 1.0.0"},
		"/api/v1/trainers/leaf-finder/versions?": {"leaf-finder 2.0.0-rc.1", "leaf-finder 1.10.0", "leaf-finder 1.9.0"},
	} {
		for most := 1; most <= 3; most++ {
			parts := slices.Collect(slices.Chunk(want, most))
			if got := ann.walk(t, fmt.Sprint(path, "limit=", most)); !slices.EqualFunc(got, parts, slices.Equal) {
				t.Errorf("%s%d: %v, want %v", path, most, got, parts)
			}
		}
		if got := ann.walk(t, strings.TrimRight(path, "?&")); !slices.EqualFunc(got, [][]string{want}, slices.Equal) {
			t.Errorf("%s: %v", path, got)
		}
	}
	for path, status := range map[string]int{
		"/api/v1/trainers?cursor=7": 422, "/api/v1/trainers?limit=501": 422, "/api/v1/trainers/leaf-finder/versions?cursor=7": 422,
		"/api/v1/trainers/leaf-finder/versions?cursor=0.road-reader": 422, "/api/v1/trainers/no-such/versions?limit=1": 404,
	} {
		if got := ann.ask(t, http.MethodGet, path); got.status != status {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
