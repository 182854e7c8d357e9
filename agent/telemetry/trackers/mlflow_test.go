package trackers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// server answers each path of MLflow's API with the next of its answers, and with the
// last of them for good. An answer is a status and a body.
func server(t *testing.T, answers map[string][]string) (m *mlflow, asked map[string]int) {
	t.Helper()
	asked = map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/api/2.0/mlflow/")
		list := answers[path]
		answer := list[min(asked[path], len(list)-1)]
		asked[path]++
		var code int
		var body string
		if _, err := fmt.Sscan(answer, &code, &body); err != nil {
			t.Error(err)
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	m, err := newMLflow(s.URL, Run{JobID: "j", Params: map[string]string{"epochs": "3"}}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	m.client = s.Client()
	return m, asked
}

const (
	found = `200 {"experiment":{"experiment_id":"7"}}`
	made  = `200 {"run":{"info":{"run_id":"r"}}}`
)

// Of jobs that begin at once one makes the experiment, and the others are told that it
// is there.
func TestAnExperimentThatAnotherJobHasMadeIsFound(t *testing.T) {
	m, asked := server(t, map[string][]string{
		"experiments/get-by-name": {"404 {}", found}, "experiments/create": {"400 {}"},
		"runs/search": {"200 {}"}, "runs/create": {made}, "runs/log-batch": {"200 {}"},
	})
	if err := m.begin(t.Context()); err != nil || m.id != "r" {
		t.Errorf("%q %v, asked %v", m.id, err, asked)
	}
}

func TestARunWhoseParametersDidNotArriveGetsThemAtTheNextTry(t *testing.T) {
	m, asked := server(t, map[string][]string{
		"experiments/get-by-name": {found}, "runs/search": {"200 {}", `200 {"runs":[{"info":{"run_id":"r"}}]}`},
		"runs/create": {made}, "runs/update": {"200 {}"}, "runs/log-batch": {"503 {}", "200 {}"},
	})
	if err := m.begin(t.Context()); err == nil {
		t.Fatal("the first try says nothing of the parameters")
	}
	if err := m.begin(t.Context()); err != nil || m.id != "r" || asked["runs/create"] != 1 || asked["runs/log-batch"] != 2 {
		t.Errorf("%q %v, asked %v", m.id, err, asked)
	}
}
