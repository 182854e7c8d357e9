package relay

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// A refusal is an answer other than 200.
type refusal struct {
	status     int
	Status     string `json:"status"` // "rejected"
	Detail     string `json:"detail"`
	Field      string `json:"field,omitempty"`
	retryAfter int    // seconds
}

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, Status: "rejected", Detail: fmt.Sprintf(format, args...)}
}

func (r *Relay) handler() http.Handler {
	mux := http.NewServeMux()
	for _, kind := range contract.Kinds {
		mux.HandleFunc(kind.Pattern(), func(w http.ResponseWriter, req *http.Request) {
			answer, refused := r.callback(kind, w, req)
			r.reply(w, req, answer, refused)
		})
	}
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			r.reply(w, req, nil, refuse(http.StatusMethodNotAllowed, "ask with GET"))
			return
		}
		r.reply(w, req, map[string]any{"status": "ok", "job_id": r.opts.Job.ID}, nil)
	})
	if r.opts.Completions != nil {
		mux.HandleFunc("POST "+completionsPath, func(w http.ResponseWriter, req *http.Request) {
			if !r.knows(req) {
				r.reply(w, req, nil, refuse(http.StatusUnauthorized, "the token is not this run's OPENAI_API_KEY"))
				return
			}
			r.opts.Completions.ServeHTTP(w, req)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		r.reply(w, req, nil, refuse(http.StatusNotFound, "%s is no callback path, for example %s",
			shown(req.URL.Path), contract.KindHeartbeat.Path(r.opts.Job.ID)))
	})
	return mux
}

func (r *Relay) reply(w http.ResponseWriter, req *http.Request, answer any, refused *refusal) {
	status := http.StatusOK
	if refused != nil {
		answer, status = refused, refused.status
		if refused.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(refused.retryAfter))
		}
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		r.refusals.add(req.URL.Path, refused)
	}
	b, err := json.Marshal(answer)
	if err != nil { // our own types only
		status, b = http.StatusInternalServerError, []byte(`{"status":"rejected"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the child may be gone
}

// callback is the way of one message: admit, read, check, accept, answer.
func (r *Relay) callback(kind contract.Kind, w http.ResponseWriter, req *http.Request) (any, *refusal) {
	if refused := r.admit(kind, req); refused != nil {
		return nil, refused
	}
	size, refused := sizeOf(req)
	if refused != nil {
		return nil, refused
	}
	ctx, cancel := context.WithTimeout(req.Context(), roomTimeout)
	defer cancel()
	if r.bodies.Acquire(ctx, size) != nil {
		full := refuse(http.StatusServiceUnavailable, "too many large messages at once")
		full.retryAfter = 1
		return nil, full
	}
	defer r.bodies.Release(size)
	raw, refused := read(w, req)
	if refused != nil {
		return nil, refused
	}
	d, err := r.check.decode(kind, raw)
	if err == nil && kind == contract.KindEvent && contract.EventType(d.text("event_type")).OfAgent() {
		err = &fieldError{"event_type", fmt.Sprintf("%s is an event that only the agent raises; give yours another name", d.text("event_type"))}
	}
	if err != nil {
		return nil, invalid(err)
	}
	d.mark(req.Header.Get(contract.HeaderNonFinite))
	return r.accept(req, kind, d)
}

// completionsPath is OpenAI's, so that its own clients find it.
const completionsPath = "/v1/chat/completions"

// knows reports whether a request has the token of this run, and lets its connection in.
func (r *Relay) knows(req *http.Request) bool {
	token, _ := strings.CutPrefix(req.Header.Get(contract.HeaderAuthorization), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(r.token)) != 1 {
		return false
	}
	letIn(req)
	return true
}

// admit checks everything that needs no body.
func (r *Relay) admit(kind contract.Kind, req *http.Request) *refusal {
	switch {
	case !r.knows(req):
		return refuse(http.StatusUnauthorized, "the token is not this run's CALLBACK_TOKEN")
	case req.Method != http.MethodPost:
		return refuse(http.StatusMethodNotAllowed, "send it with POST")
	case req.PathValue("id") != r.opts.Job.ID:
		return refuse(http.StatusNotFound, "job %q is not run here, only %q", shown(req.PathValue("id")), r.opts.Job.ID)
	case !r.serves(kind):
		return refuse(http.StatusNotFound, "a job of this type sends no %s", kind)
	case req.Header.Get("Content-Encoding") != "":
		return refuse(http.StatusUnsupportedMediaType, "send the body without Content-Encoding")
	case !r.rate.AllowN(r.opts.Now(), 1):
		slow := refuse(http.StatusTooManyRequests, "more than %d messages a second", perSecond)
		slow.retryAfter = 1
		return slow
	}
	return nil
}

// sizeOf is what a request counts against maxBodies.
func sizeOf(req *http.Request) (int64, *refusal) {
	if req.ContentLength > MaxBody {
		return 0, tooLarge()
	}
	if req.ContentLength < 0 { // chunked: it may become as large as any
		return MaxBody, nil
	}
	return req.ContentLength, nil
}

func tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "the body is over %d bytes", MaxBody)
}

func read(w http.ResponseWriter, req *http.Request) ([]byte, *refusal) {
	limited := http.MaxBytesReader(w, req.Body, MaxBody)
	var raw []byte
	var err error
	if req.ContentLength >= 0 {
		raw = make([]byte, req.ContentLength)
		_, err = io.ReadFull(limited, raw)
	} else {
		raw, err = io.ReadAll(limited)
	}
	if err == nil {
		return raw, nil
	}
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return nil, tooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, refuse(http.StatusRequestTimeout, "the body did not arrive within %v", bodyTimeout)
	}
	return nil, refuse(http.StatusBadRequest, "the body did not arrive: %v", err)
}

func invalid(err error) *refusal {
	if f, ok := errors.AsType[*fieldError](err); ok {
		refused := refuse(http.StatusUnprocessableEntity, "%s", f.Error())
		refused.Field = f.path
		return refused
	}
	return refuse(http.StatusBadRequest, "the body is not JSON: %v", err)
}

// accept completes a checked body, hands it to the outbox and answers.
func (r *Relay) accept(req *http.Request, kind contract.Kind, d *body) (any, *refusal) {
	key := req.Header.Get(contract.HeaderIdempotencyKey)
	if answer, known := r.repeated.get(key); known {
		return answer, nil
	}
	enricher{&r.opts}.enrich(kind, d)
	at := d.finish(kind, r.opts.Now())
	payload, err := d.payload(kind)
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	answer, err := r.pass(req.Context(), contract.Message{Kind: kind, Body: d.bytes(), Time: at, Payload: payload})
	if err != nil {
		return nil, r.unaccepted(err)
	}
	r.repeated.add(key, answer)
	return answer, nil
}

// pass gives a message to the outbox and shows it to Observe.
func (r *Relay) pass(ctx context.Context, msg contract.Message) (any, error) {
	ok := map[string]string{"status": "ok"}
	switch {
	case msg.Kind == contract.KindValidation:
		return r.validation(ctx, msg)
	case msg.Kind.Final():
		if err := r.opts.Outbox.Keep(msg); err != nil {
			return nil, err
		}
	default:
		if err := r.opts.Outbox.Append(msg); err != nil {
			return nil, err
		}
	}
	r.observe(msg)
	return ok, nil
}

// observe shows an accepted message. A fault of ours there must not look to the
// child like a message that was not accepted.
func (r *Relay) observe(msg contract.Message) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("an observer of the relay failed", "kind", msg.Kind, "panic", p)
		}
	}()
	r.opts.Observe(msg)
}

// unaccepted answers for a message that the outbox did not take.
func (r *Relay) unaccepted(err error) *refusal {
	switch {
	case r.opts.Full != nil && errors.Is(err, r.opts.Full):
		full := refuse(http.StatusInsufficientStorage, "%v", err)
		full.retryAfter = 30
		return full
	case r.opts.Ended != nil && errors.Is(err, r.opts.Ended):
		return refuse(http.StatusConflict, "the job has ended: %v", err)
	}
	r.log.Error("the relay could not store a message", "error", err)
	return refuse(http.StatusInternalServerError, "the message could not be stored: %v", err)
}
