package publish

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	maxAnswer = 8 << 20
	tries     = 5
	poll      = time.Second
)

// Away is a hub that cannot be reached or cannot answer now: nothing is said of the package.
type Away struct{ err error }

func (a *Away) Error() string { return a.err.Error() }

// Unwrap is what went wrong.
func (a *Away) Unwrap() error { return a.err }

// Client asks one hub.
type Client struct {
	hub   *url.URL
	token string
	http  *retryablehttp.Client
}

// New returns a client of a hub's address with an API token.
func New(hub, token string) (*Client, error) {
	address, err := url.Parse(hub)
	if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
		return nil, fmt.Errorf("the hub's address %q is not http://… or https://…: set --hub or TRAINER_HUB_URL", hub)
	}
	if token == "" {
		return nil, errors.New("a token is needed: set TRAINER_HUB_TOKEN; `trainer-hub token NAME`, or the hub's page, makes one")
	}
	client := retryablehttp.NewClient()
	client.Logger, client.RetryMax, client.RetryWaitMin, client.RetryWaitMax = nil, tries-1, 500*time.Millisecond, 10*time.Second
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler // the hub's own words
	return &Client{address, token, client}, nil
}

// Submission is what the hub says of a submission.
type Submission struct {
	ID     string                `json:"validation_job_id"`
	URL    string                `json:"url"`
	Status string                `json:"status"` // validating, passed, failed
	State  string                `json:"state"`
	Reason string                `json:"reason"`
	Steps  []contract.StepReport `json:"steps"`
}

// Upload sends a zip. Each call is one submission, however often it has to be sent.
func (c *Client) Upload(ctx context.Context, file string, dryRun bool) (made Submission, err error) {
	head, tail, kind := form(filepath.Base(file))
	info, err := os.Stat(file)
	if err != nil {
		return made, err
	}
	body := func() (io.Reader, error) { // again for every try
		in, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), in, bytes.NewReader(tail)), in}, nil
	}
	req, err := c.request(ctx, http.MethodPost, "upload", body)
	if err != nil {
		return made, err
	}
	req.ContentLength = int64(len(head)) + info.Size() + int64(len(tail))
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Idempotency-Key", rand.Text())
	if dryRun {
		req.URL.RawQuery = "dry_run=true"
	}
	return made, c.do(req, &made)
}

// form is what stands before and behind the bytes of the file.
func form(name string) (head, tail []byte, kind string) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	_, _ = w.CreateFormFile("file", name) // to memory
	head = bytes.Clone(out.Bytes())
	_ = w.Close()
	return head, out.Bytes()[len(head):], w.FormDataContentType()
}

// Page is the address at which a person sees a submission.
func (c *Client) Page(id string) string {
	at := c.hub.JoinPath("/")
	at.User, at.RawQuery = nil, url.Values{"submission": {id}}.Encode()
	return at.String()
}

// Follow asks how far a submission is until it has ended, and tells every answer.
func (c *Client) Follow(ctx context.Context, id string, tell func(Submission)) (at Submission, err error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		req, err := c.request(ctx, http.MethodGet, "validation/"+url.PathEscape(id), nil)
		if err != nil {
			return at, err
		}
		at = Submission{}
		if err := c.do(req, &at); err != nil {
			return at, err
		}
		if tell(at); at.Status != "validating" {
			return at, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return at, ctx.Err()
		}
	}
}

// News tells each step when it ends, and again when it is taken once more and ends
// otherwise: the security step is told after the scan and after the package has run.
type News struct{ told map[string]string }

// Of are the steps of an answer that were not told so before.
func (n *News) Of(at Submission) (steps []contract.StepReport) {
	if n.told == nil {
		n.told = map[string]string{}
	}
	for _, step := range at.Steps {
		said := fmt.Sprint(step.Status, step.Findings)
		if n.told[step.Name] != said {
			n.told[step.Name] = said
			steps = append(steps, step)
		}
	}
	return steps
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*retryablehttp.Request, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, method, c.hub.JoinPath("api/v1/trainers", path).String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	return req, nil
}

// do reads an answer, or the problem that the hub names.
func (c *Client) do(req *retryablehttp.Request, answer any) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return away(req, fmt.Errorf("asking the hub: %w", err))
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return away(req, fmt.Errorf("reading the hub's answer: %w", err))
	}
	if resp.StatusCode/100 != 2 {
		return refused(req, resp, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the hub's answer is not JSON: is %s a trainer-hub? %w", c.hub.Redacted(), err)
	}
	return nil
}

// refused is what an answer other than 2xx says, of the hub or of what was asked.
func refused(req *retryablehttp.Request, resp *http.Response, text []byte) error {
	if resp.StatusCode/100 == 5 || resp.StatusCode == http.StatusTooManyRequests {
		return away(req, problem(resp, text))
	}
	return problem(resp, text)
}

// away is an error of the hub, unless it was this side that ended the request.
func away(req *retryablehttp.Request, err error) error {
	if req.Context().Err() != nil {
		return err
	}
	return &Away{err}
}

// problem is an RFC 9457 problem as an error.
func problem(resp *http.Response, text []byte) error {
	var p struct {
		Detail string
		Errors []struct{ Location, Message string }
	}
	if err := json.Unmarshal(text, &p); err != nil || p.Detail == "" {
		return fmt.Errorf("the hub answered %s: is it a trainer-hub?", resp.Status)
	}
	out := "the hub refused it: " + p.Detail
	for _, e := range p.Errors {
		if !strings.Contains(p.Detail, e.Message) {
			out += fmt.Sprintf(" (%s: %s)", e.Location, e.Message)
		}
	}
	return errors.New(out)
}
