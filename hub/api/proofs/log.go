package proofs

import (
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// submissionID is the parameter of the addresses that are on the mux itself.
var submissionID = &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}

// logs are what the processes of steps wrote.
type logs struct {
	theirs
	output *submission.Output // of what is being taken
}

func (l logs) register(d door.Door) {
	d.Asked(huma.Operation{
		OperationID: "validation-log", Method: http.MethodGet, Path: door.ValidationPath + "{id}/log", Security: door.Security,
		Summary: "What the steps' processes wrote", Parameters: []*huma.Param{submissionID, {Name: "step", In: "query", Description: "Of this step only; of the one that is being taken, what was written so far.", Schema: &huma.Schema{Type: "string"}}},
		Responses: door.Text("text/plain", "What was written, step after step."),
	}, l.read)
}

func (l logs) read(w http.ResponseWriter, r *http.Request) {
	at, _, err := l.own(r.Context(), door.CredentialsOf(r), login.ScopeRead, r.PathValue("id"))
	if err != nil {
		door.Answer(w, err)
		return
	}
	steps, err := l.records.Steps(r.Context(), at)
	if err != nil {
		door.Answer(w, door.Known(l.Log, err))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	only := r.URL.Query().Get("step")
	if live := l.output.Live(at.ID); only != "" && only == at.Step && live != "" { // it has no report yet, or that of an earlier try
		_, _ = io.WriteString(w, live)
		return
	}
	for _, step := range steps {
		switch only {
		case "":
			_, _ = fmt.Fprintf(w, "== %s: %s in %.1f s\n%s\n", step.Name, step.Status, step.Seconds, step.Log)
		case step.Name:
			_, _ = io.WriteString(w, step.Log)
		}
	}
}
