package backend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// keepAlive is how often an idle stream says that it is still there.
const keepAlive = 15 * time.Second

// streams tell a page what comes, as it comes.
type streams struct{ *records }

// streamJob sends a job's calls as server-sent events named "call", past and to
// come, and a "summary" after each batch. A client that comes back with
// Last-Event-ID goes on where it was.
func (s streams) streamJob(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	last, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64) // absent or odd: from the start
	s.stream(w, r, func(send func(id int64, event string, v any) error) error {
		calls := s.callsAfter(id, last)
		for _, c := range calls {
			last = c.Seq
			if err := send(c.Seq, "call", c); err != nil {
				return err
			}
		}
		summary, ok := s.Job(id)
		if !ok || len(calls) == 0 {
			return nil
		}
		return send(0, "summary", summary)
	})
}

// streamJobs sends the list of jobs as an event "jobs" whenever it changes.
func (s streams) streamJobs(w http.ResponseWriter, r *http.Request) {
	var last int64 = -1
	s.stream(w, r, func(send func(id int64, event string, v any) error) error {
		seq := s.latest()
		if seq == last {
			return nil
		}
		last = seq
		return send(0, "jobs", s.Jobs())
	})
}

// stream calls batch at once and after every change until the client leaves. A
// slow client misses no call and holds nothing up: it reads from the record at
// its own pace.
func (s streams) stream(w http.ResponseWriter, r *http.Request, batch func(send func(int64, string, any) error) error) {
	flusher := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	beat := time.NewTicker(keepAlive)
	defer beat.Stop()
	send := func(id int64, event string, v any) error { return writeEvent(w, id, event, v) }
	for {
		changed := s.changes()
		if batch(send) != nil || flusher.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-beat.C:
			_, _ = fmt.Fprint(w, ": still here\n\n")
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		}
	}
}

func writeEvent(w http.ResponseWriter, id int64, event string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if id > 0 {
		if _, err := fmt.Fprintf(w, "id: %d\n", id); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data)
	return err
}
