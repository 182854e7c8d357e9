package backend

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

var (
	jobID     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`) // section 2 of the contract
	keyNumber = regexp.MustCompile(`^[0-9]{1,19}$`)
)

// callback answers one path of section 4.
func (b *Backend) callback(k contract.Kind) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if !jobID.MatchString(id) {
			refuse(w, http.StatusUnprocessableEntity, fmt.Sprintf("job id %q does not match %s", clip([]byte(id)), jobID))
			return
		}
		c := &Call{
			Job: id, Kind: k, Path: r.URL.Path, Time: b.now().UTC(),
			Header: recordHeader(r.Header), Key: r.Header.Get(contract.HeaderIdempotencyKey),
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
		c.Body = bodyJSON(body)
		if fault := b.take(c); fault != nil {
			b.strike(w, r, c, body, fault)
			return
		}
		answer(w, b.handle(r, c, body, err, nil))
	})
}

// handle checks a call, decides on it and remembers it with the status that the
// client will see, which a fault may change.
func (b *Backend) handle(r *http.Request, c *Call, body []byte, readErr error, f *Fault) *Call {
	payload, status, err := b.check(r, c, body, readErr)
	b.decide(c, payload, status, err, f)
	return c
}

// check validates everything that can be judged without the job's history.
func (b *Backend) check(r *http.Request, c *Call, body []byte, readErr error) (payload any, status int, err error) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](readErr); tooLarge {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", maxBodyBytes)
	}
	if readErr != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("reading the body: %w", readErr)
	}
	if !b.authorized(r) {
		return nil, http.StatusUnauthorized, errors.New("the bearer token is missing or wrong")
	}
	if err := checkHeader(r.Header, c.Job); err != nil {
		return nil, http.StatusUnprocessableEntity, err
	}
	if payload, err = contract.CheckWire(c.Kind, body); err != nil {
		return nil, http.StatusUnprocessableEntity, err
	}
	return payload, http.StatusOK, nil
}

func (b *Backend) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get(contract.HeaderAuthorization), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(b.token)) == 1
}

func checkHeader(h http.Header, job string) error {
	if media, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || media != "application/json" {
		return fmt.Errorf("Content-Type: got %q, want application/json", h.Get("Content-Type"))
	}
	if h.Get(contract.HeaderTraceID) == "" {
		return fmt.Errorf("%s: the header is missing", contract.HeaderTraceID)
	}
	key := h.Get(contract.HeaderIdempotencyKey)
	if number, ok := strings.CutPrefix(key, job+":"); !ok || !keyNumber.MatchString(number) {
		return fmt.Errorf("%s: got %q, want %q", contract.HeaderIdempotencyKey, key, job+":{sequence}")
	}
	return nil
}

// answer writes what was decided.
func answer(w http.ResponseWriter, c *Call) {
	if c.Problem != "" {
		refuse(w, c.Status, c.Problem)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(c.Status)
	_, _ = w.Write(c.Reply)
}

// refuse answers an error the way FastAPI services do.
func refuse(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, map[string]string{"detail": detail})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone when this fails
}

// clip shortens what is quoted in a message.
func clip(b []byte) string {
	const limit = 120
	if len(b) > limit {
		return string(b[:limit]) + "…"
	}
	return string(b)
}
