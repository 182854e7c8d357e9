package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// calling is a pickle that calls a function of os.
func calling(name string) string { return "cos\n" + name + "\n(S'id'\ntR." }

// judge is a hub that scans packages, with an author, somebody else and its operator.
func judge(t *testing.T) (ann, bob, op client) {
	t.Helper()
	proof := hub.Proof{AllowUnscanned: []string{"malware", "dependencies"}}
	r := start(t, hub.Config{Stages: hub.Stages{submission.Scanning: proof.Stages()[submission.Scanning]}})
	return r.client(t, "ann"), r.client(t, "bob"), client{r.URL(), r.token(t, "op", login.Operator, login.Scopes...), http.DefaultClient}
}

// scanned uploads a package with more files, and returns the submission at its end.
func (c client) scanned(t *testing.T, version string, files map[string]string) (id string, v validation) {
	t.Helper()
	all := capabilities("custom-yolo", version)
	for name, text := range files {
		all[name] = text
	}
	var made struct {
		ID string `json:"validation_job_id"`
	}
	got := c.upload(t, "?dry_run=true", []part{{"file", pack(t, all)}})
	if got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	got.into(t, &made)
	c.follow(t, made.ID)
	return made.ID, c.get(t, made.ID)
}

func (c client) say(t *testing.T, path, body string) reply {
	t.Helper()
	r, err := c.do(t.Context(), http.MethodPost, path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An author appeals, the operator grants it, and the same bytes pass from then on: in another
// version too. Other bytes do not.
func TestAppealThatIsGranted(t *testing.T) {
	ann, bob, op := judge(t)
	files := map[string]string{"weights.pkl": calling("getpid")}
	id, at := ann.scanned(t, "1.0.0", files)
	if at.State != submission.Rejected {
		t.Fatalf("%+v", at)
	}
	appeal := "/api/v1/trainers/validation/" + id + "/appeal"
	for name, c := range map[string]struct {
		got    reply
		status int
	}{
		"a stranger":       {bob.say(t, appeal, `{"reason": "x"}`), 404},
		"no reason":        {ann.say(t, appeal, `{"reason": ""}`), 422},
		"a blank reason":   {ann.say(t, appeal, `{"reason": "  "}`), 409},
		"its own operator": {ann.ask(t, http.MethodGet, "/api/v1/admin/appeals"), 403},
	} {
		if c.got.status != c.status {
			t.Errorf("%s: %d %s", name, c.got.status, c.got.body)
		}
	}
	if got := ann.say(t, appeal, `{"reason": "it only asks for its own number"}`); got.status != 200 || !strings.Contains(got.body, `"state":"review"`) || !strings.Contains(got.body, `"status":"validating"`) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := ann.say(t, appeal, `{"reason": "again"}`); got.status != 409 {
		t.Errorf("a second time: %d %s", got.status, got.body)
	}
	if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/retry"); got.status != 409 {
		t.Errorf("a retry in review: %d %s", got.status, got.body)
	}
	var list []submission.Appeal
	op.ask(t, http.MethodGet, "/api/v1/admin/appeals").into(t, &list)
	if len(list) != 1 || list[0].Author != "ann" || list[0].Reason != "it only asks for its own number" {
		t.Fatalf("%+v", list)
	}
	decide := "/api/v1/admin/appeals/" + list[0].ID
	if got := ann.say(t, decide, `{"grant": true, "reason": "mine"}`); got.status != 403 {
		t.Errorf("an author decides: %d %s", got.status, got.body)
	}
	if got := op.say(t, decide, `{"grant": true, "reason": "getpid does no harm"}`); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := op.say(t, decide, `{"grant": false, "reason": "after all"}`); got.status != 404 {
		t.Errorf("a second time: %d %s", got.status, got.body)
	}
	ann.follow(t, id)
	if v := ann.get(t, id); v.State != submission.Proven {
		t.Errorf("%+v", v)
	}
	if got := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+id); !strings.Contains(got.body, "waived by the operator for a file of these bytes: getpid does no harm") {
		t.Errorf("the waiver is not told: %s", got.body)
	}
	if got := ann.ask(t, http.MethodGet, "/api/v1/notifications"); !strings.Contains(got.body, "the appeal for custom-yolo 1.0.0 was granted, and it is proven again: getpid does no harm") {
		t.Errorf("the author is not told: %s", got.body)
	}
	if _, v := ann.scanned(t, "1.1.0", files); v.State != submission.Proven {
		t.Errorf("the same file in another version: %+v", v)
	}
	for name, others := range map[string]map[string]string{
		"other bytes":            {"weights.pkl": calling("getppid")},
		"the same and one other": {"weights.pkl": calling("getpid"), "more.pkl": calling("getppid")},
	} {
		if _, v := ann.scanned(t, "1.2.0", others); v.State != submission.Rejected {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if got := op.ask(t, http.MethodGet, "/api/v1/admin/audit"); !strings.Contains(got.body, `"action":"appeal.granted"`) || !strings.Contains(got.body, "pickle.code in ") {
		t.Errorf("the audit log: %s", got.body)
	}
}

// Weights of torch are a zip, and findings name the pickle in it: what is appealed, and waived, is the
// zip. Members of hostile names are no paths.
func TestAppealAboutAPickleInWeights(t *testing.T) {
	ann, _, op := judge(t)
	for i, member := range []string{"archive/data.pkl", "archive/.."} {
		files := map[string]string{"weights.pt": pack(t, map[string]string{member: calling("getpid")})}
		id, at := ann.scanned(t, fmt.Sprintf("1.%d.0", i), files)
		if at.State != submission.Rejected {
			t.Fatalf("%s: %+v", member, at)
		}
		if got := ann.say(t, "/api/v1/trainers/validation/"+id+"/appeal", `{"reason": "it only asks for its own number"}`); got.status != 200 {
			t.Fatalf("%s: %d %s", member, got.status, got.body)
		}
		var list []submission.Appeal
		op.ask(t, http.MethodGet, "/api/v1/admin/appeals").into(t, &list)
		if got := op.say(t, "/api/v1/admin/appeals/"+list[0].ID, `{"grant": true, "reason": "no harm"}`); got.status != 204 {
			t.Fatalf("%s: %d %s", member, got.status, got.body)
		}
		ann.follow(t, id)
		if v := ann.get(t, id); v.State != submission.Proven {
			t.Errorf("%s: %+v", member, v)
		}
		files["weights.pt"] += "more" // the same pickle in other bytes
		if _, v := ann.scanned(t, fmt.Sprintf("2.%d.0", i), files); v.State != submission.Rejected {
			t.Errorf("%s in other bytes: %+v", member, v)
		}
	}
}

// A key of a known form is nothing that the operator can let pass, and what was refused three times
// stays refused.
func TestAppealThatIsRefused(t *testing.T) {
	ann, _, op := judge(t)
	key := "-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEA0m9m1Zq3x8vJ7k2Qw\n", 12) + "-----END RSA PRIVATE KEY-----\n"
	id, _ := ann.scanned(t, "1.0.0", map[string]string{"weights.pkl": calling("getpid"), "id_rsa": key})
	if got := ann.say(t, "/api/v1/trainers/validation/"+id+"/appeal", `{"reason": "a key for tests"}`); got.status != 409 || !strings.Contains(got.body, "secret.private-key cannot be waived") {
		t.Errorf("%d %s", got.status, got.body)
	}
	id, _ = ann.scanned(t, "1.1.0", map[string]string{"weights.pkl": calling("getpid")})
	for i := range 3 {
		if got := ann.say(t, "/api/v1/trainers/validation/"+id+"/appeal", `{"reason": "please"}`); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		var list []submission.Appeal
		op.ask(t, http.MethodGet, "/api/v1/admin/appeals").into(t, &list)
		if len(list) != 1 {
			t.Fatalf("%+v", list)
		}
		if got := op.say(t, "/api/v1/admin/appeals/"+list[0].ID, fmt.Sprintf(`{"grant": false, "reason": "no, for the %d. time"}`, i+1)); got.status != 204 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if v := ann.get(t, id); v.State != submission.Rejected || !strings.Contains(v.Reason, "the appeal was refused: no, for the") {
			t.Errorf("%+v", v)
		}
	}
	if got := ann.say(t, "/api/v1/trainers/validation/"+id+"/appeal", `{"reason": "please"}`); got.status != 409 || !strings.Contains(got.body, "appealed 3 times") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
