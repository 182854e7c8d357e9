package hub_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

var following = regexp.MustCompile(`^<(/[^>]+)>; rel="next"$`)

// walk reads a list to its end, part by part, and returns the submissions in each part.
func (c client) walk(t *testing.T, path string) (parts [][]string) {
	t.Helper()
	for {
		got := c.ask(t, http.MethodGet, path)
		if got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		var rows []struct {
			ID string `json:"validation_job_id"`
		}
		got.into(t, &rows)
		var ids []string
		for _, row := range rows {
			ids = append(ids, row.ID)
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
	first := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation?limit=1")
	add("wing-counter")
	if got := ann.walk(t, following.FindStringSubmatch(first.header.Get("Link"))[1]); !slices.EqualFunc(got, [][]string{want[2:3], want[3:]}, slices.Equal) {
		t.Errorf("after one was added: %v of %v", got, want)
	}
}
