package proofs

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const (
	// otherHubs is how often a change of another hub on the same database is looked for.
	otherHubs = time.Second
	// keepAlive is how often a quiet stream says that it lives: proxies close those that don't.
	keepAlive = 15 * time.Second
	maxStream = time.Hour // a client comes back with Last-Event-ID
	// maxFollowing bounds a user's streams: each holds a connection and asks the database.
	maxFollowing = 30
)

// streams are the events of submissions, as they happen.
type streams struct {
	theirs
	bell      *submission.Bell
	closing   context.Context // of the hub
	following *door.AtOnce
}

func (s streams) register(d door.Door) {
	d.Asked(huma.Operation{
		OperationID: "validation-events", Method: http.MethodGet, Path: door.ValidationPath + "{id}/events", Security: door.Security,
		Summary:    "What happens to a submission, as server-sent events; the stream ends with the submission",
		Parameters: []*huma.Param{submissionID, {Name: "Last-Event-ID", In: "header", Schema: &huma.Schema{Type: "integer"}}},
		Responses:  door.Text("text/event-stream", "Events, each with its number as id; the last one is the submission's end."),
	}, s.events)
}

func (s streams) events(w http.ResponseWriter, r *http.Request) {
	at, p, err := s.own(r.Context(), door.CredentialsOf(r), login.ScopeRead, r.PathValue("id"))
	if err != nil {
		door.Answer(w, err)
		return
	}
	after := int64(0)
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if after, err = strconv.ParseInt(last, 10, 64); err != nil || after < 0 {
			door.Problem(w, http.StatusBadRequest, "the Last-Event-ID is no event's number", door.Field("header.Last-Event-ID", "the id of the last event that came"))
			return
		}
	}
	if !s.following.Begin(p.ID) {
		door.Problem(w, http.StatusTooManyRequests, fmt.Sprintf("%d streams of yours are open: close one, or ask for the submission itself now and then", maxFollowing))
		return
	}
	defer s.following.End(p.ID)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	one := stream{streams: s, w: w, control: http.NewResponseController(w), id: at.ID, after: after}
	one.follow(r)
}

// stream is one client that follows a submission.
type stream struct {
	streams
	w       http.ResponseWriter
	control *http.ResponseController
	id      string
	after   int64 // the last event that was sent
}

// write sends text; a client that does not read it is left.
func (s *stream) write(format string, args ...any) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(door.Slowest)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.w, format, args...)
	return err
}

func (s *stream) follow(r *http.Request) {
	look, alive, end := time.NewTicker(otherHubs), time.NewTicker(keepAlive), time.NewTimer(maxStream)
	defer func() { look.Stop(); alive.Stop(); end.Stop() }()
	for {
		changed := s.bell.Changed()
		if more, err := s.send(r); !more || err != nil {
			return
		}
		select {
		case <-changed:
		case <-look.C:
			if _, err := s.Who(r.Context(), door.CredentialsOf(r), login.ScopeRead); err != nil {
				return // a login that has ended sees no more; a client that still may comes back
			}
		case <-alive.C:
			if s.write(": alive\n\n") != nil || s.control.Flush() != nil {
				return
			}
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		case <-s.closing.Done():
			return
		}
	}
}

// send writes what happened since; more is false once the submission has ended
// and all was said.
func (s *stream) send(r *http.Request) (more bool, err error) {
	at, err := s.records.Get(r.Context(), s.id) // before its events: none is missed
	if err != nil {
		return false, err
	}
	for {
		events, err := s.records.Events(r.Context(), s.id, s.after)
		if err != nil {
			return false, err
		}
		if len(events) == 0 {
			return !at.State.Ended(), s.control.Flush()
		}
		for _, e := range events {
			if err := s.write("id: %d\nevent: %s\ndata: {\"at\":%d,\"data\":%s}\n\n", e.Seq, e.Kind, e.At, e.Data); err != nil {
				return false, err
			}
			s.after = e.Seq
		}
	}
}
