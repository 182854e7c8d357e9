package backend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

func (b *Backend) listJobs(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"jobs": b.Jobs()})
}

func (b *Backend) showJob(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	summary, ok := b.Job(id)
	if !ok {
		refuse(w, http.StatusNotFound, fmt.Sprintf("no callback of a job %q has come yet", id))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"job": summary, "calls": b.Calls(id)})
}

func (b *Backend) listFaults(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	b.dropFaults(func(f *activeFault) bool { return f.over(b.now()) })
	armed := make([]activeFault, 0, len(b.faults))
	for _, f := range b.faults {
		armed = append(armed, *f)
	}
	b.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"faults": armed})
}

func (b *Backend) postFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	id, err := b.AddFault(f)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	f.ID = id
	writeJSON(w, http.StatusCreated, f)
}

func (b *Backend) deleteFaults(w http.ResponseWriter, _ *http.Request) {
	b.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

func (b *Backend) deleteFault(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id")) // 0 names none
	if !b.RemoveFault(id) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no fault %q", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
