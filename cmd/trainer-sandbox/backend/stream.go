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

// streamJob sends a job's calls as server-sent events named "call", past and to
// come, and a "summary" after each batch. A client that comes back with
// Last-Event-ID goes on where it was.
func (b *Backend) streamJob(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	last, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64) // absent or odd: from the start
	b.stream(w, r, func(send func(id int64, event string, v any) error) error {
		calls := b.callsAfter(id, last)
		for _, c := range calls {
			last = c.Seq
			if err := send(c.Seq, "call", c); err != nil {
				return err
			}
		}
		summary, ok := b.Job(id)
		if !ok || len(calls) == 0 {
			return nil
		}
		return send(0, "summary", summary)
	})
}

// streamJobs sends the list of jobs as an event "jobs" whenever it changes.
func (b *Backend) streamJobs(w http.ResponseWriter, r *http.Request) {
	var last int64 = -1
	b.stream(w, r, func(send func(id int64, event string, v any) error) error {
		b.mu.Lock()
		seq := b.seq
		b.mu.Unlock()
		if seq == last {
			return nil
		}
		last = seq
		return send(0, "jobs", b.Jobs())
	})
}

// stream calls batch at once and after every change until the client leaves. A
// slow client misses no call and holds nothing up: it reads from the record at
// its own pace.
func (b *Backend) stream(w http.ResponseWriter, r *http.Request, batch func(send func(int64, string, any) error) error) {
	flusher := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	beat := time.NewTicker(keepAlive)
	defer beat.Stop()
	send := func(id int64, event string, v any) error { return writeEvent(w, id, event, v) }
	for {
		changed := b.changes()
		if batch(send) != nil || flusher.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-beat.C:
			_, _ = fmt.Fprint(w, ": still here\n\n")
		case <-r.Context().Done():
			return
		case <-b.closing:
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
