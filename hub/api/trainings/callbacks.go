package trainings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/usage"
)

// Of a callback that is passed on: bytes, and how long the platform has to take it.
const (
	maxCallback  = 16 << 20
	platformDial = 5 * time.Second
	platformWait = 30 * time.Second
)

// callbacks pass the callbacks of jobs on to the platform as they came, and count what it
// accepted: whoever the platform lets in with the job's own token ran that job, so the hub
// needs no credential of its own for it.
type callbacks struct {
	door.Door
	trainings *usage.Trainings
	platform  *url.URL
}

func (c callbacks) register() {
	for _, kind := range contract.Kinds {
		c.Raw(huma.Operation{
			OperationID: "callback-" + string(kind), Method: http.MethodPost, Path: kind.Pattern(), Summary: "A callback of a job, for the platform behind the hub",
			Parameters: []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}},
			Responses:  door.Bare(http.StatusOK, "What the platform answers."),
		}, c.passOn(kind))
	}
}

func (c callbacks) passOn(kind contract.Kind) http.HandlerFunc {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: platformDial}).DialContext,
		ResponseHeaderTimeout: platformWait, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
	}
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			door.Problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a callback has at most %d bytes", maxCallback))
			return
		}
		if err != nil {
			door.Problem(w, http.StatusBadRequest, "the callback could not be read to its end")
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy := httputil.ReverseProxy{Transport: transport, Rewrite: c.toPlatform, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			c.Log.Error("a callback could not be passed on", "callback", kind, "error", err)
			door.Problem(w, http.StatusServiceUnavailable, "the platform behind the hub, or the hub's database, cannot be reached: send the same callback again")
		}}
		proxy.ModifyResponse = func(answered *http.Response) error {
			if answered.StatusCode/100 != 2 { //nolint:mnd // 2xx
				return nil
			}
			return c.count(r, kind, body)
		}
		proxy.ServeHTTP(w, r)
	}
}

// toPlatform leaves the hub's own cookies out.
func (c callbacks) toPlatform(p *httputil.ProxyRequest) {
	p.SetURL(c.platform)
	p.Out.Header.Del("Cookie")
}

// count is an error only where the hub could not keep what it was told: the job then sends
// it again, to both, under the same key.
func (c callbacks) count(r *http.Request, kind contract.Kind, body []byte) error {
	err := c.trainings.Take(r.Context(), usage.Message{Key: r.Header.Get(contract.HeaderIdempotencyKey), Job: r.PathValue("id"), Kind: kind, Body: body})
	_, wrong := errors.AsType[*usage.Wrong](err)
	why, uncounted := errors.AsType[*usage.Uncounted](err)
	if uncounted {
		c.Log.Debug("a callback counts nothing", "job", r.PathValue("id"), "why", why.Text)
	}
	if wrong { // the platform took it: its dialect is its own
		c.Log.Warn("a callback that the platform took cannot be counted", "job", r.PathValue("id"), "error", err)
	}
	if wrong || uncounted {
		return nil
	}
	return err
}
