package backend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// control answers what a person or a test asks of the sandbox.
type control struct {
	*records
	*faults
}

func (c control) listJobs(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"jobs": c.Jobs()})
}

func (c control) showJob(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	summary, ok := c.Job(id)
	if !ok {
		refuse(w, http.StatusNotFound, fmt.Sprintf("no callback of a job %q has come yet", id))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"job": summary, "calls": c.Calls(id)})
}

func (c control) listFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"faults": c.list()})
}

func (c control) postFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	id, err := c.AddFault(f)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	f.ID = id
	writeJSON(w, http.StatusCreated, f)
}

func (c control) deleteFaults(w http.ResponseWriter, _ *http.Request) {
	c.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

func (c control) deleteFault(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id")) // 0 names none
	if !c.RemoveFault(id) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no fault %q", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
