package completions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/agent/internal/redact"
)

// Bounds of one question and its answer.
const (
	MaxBody   = 1 << 20 // bytes, of a question and of an answer
	MaxOutput = 1000    // tokens
	Patience  = 2 * time.Minute

	tries      = 4
	atOnce     = 4
	maxCached  = 4096           // answers
	longest    = 24 * time.Hour // that is believed of a Retry-After
	bytesToken = 2              // at least so many bytes of a question make a token: an estimate from above
)

var policy = backoff.Policy{Min: time.Second, Max: 20 * time.Second}

// Options says whom to ask, and within what.
type Options struct {
	BaseURL string // of an OpenAI-compatible server, with its /v1
	Key     string // empty for a server that wants none
	Model   string
	Limits  Limits
	Client  *http.Client
	Log     *slog.Logger
	Now     func() time.Time
}

// Proxy asks for the child.
type Proxy struct {
	Options
	budget  budget
	places  *semaphore.Weighted
	secrets *redact.Redactor

	mu     sync.Mutex
	cached map[[sha256.Size]byte][]byte
}

// New makes a Proxy.
func New(o Options) *Proxy {
	return &Proxy{
		Options: o, budget: budget{Limits: o.Limits}, places: semaphore.NewWeighted(atOnce), secrets: redact.New([]string{o.Key}),
		cached: map[[sha256.Size]byte][]byte{},
	}
}

// Spent is what the job has spent.
func (p *Proxy) Spent() Spent {
	p.budget.mu.Lock()
	defer p.budget.mu.Unlock()
	return p.budget.spent
}

// problem is an answer without words, in OpenAI's shape.
type problem struct {
	status  int
	code    string
	message string
}

func (e *problem) Error() string { return e.message }

// lost is the code of an answer that the server may count, whatever became of it.
const lost = "answer_lost"

// ServeHTTP answers one question. Who asks has been checked.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(p.Now().Add(Patience + 10*time.Second)) // longer than callbacks take
	ctx, cancel := context.WithTimeout(req.Context(), Patience)
	defer cancel()
	answer, err := p.answer(ctx, http.MaxBytesReader(w, req.Body, MaxBody))
	status := http.StatusOK
	if err != nil {
		refused, ok := errors.AsType[*problem](err)
		if !ok {
			refused = &problem{http.StatusBadGateway, "unavailable", err.Error()}
		}
		p.Log.Warn("a question to the language model has no answer", "status", refused.status, "reason", refused.message)
		status = refused.status
		answer, _ = json.Marshal(map[string]any{"error": map[string]string{"message": refused.message, "type": "trainer_agent", "code": refused.code}})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (p *Proxy) answer(ctx context.Context, body io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, &problem{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("a question has at most %d bytes", MaxBody)}
	}
	question, most, err := p.question(raw)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(question)
	if known := p.known(key); known != nil {
		return known, nil
	}
	if p.places.Acquire(ctx, 1) != nil {
		return nil, &problem{http.StatusServiceUnavailable, "busy", "too many questions at once"}
	}
	defer p.places.Release(1)
	answer, err := p.ask(ctx, question, most)
	if err == nil {
		p.keep(key, answer)
	}
	return answer, err
}

// dropped are fields of a question that make it cost more than its tokens at the usual
// price, or that do more than answer it.
var dropped = []string{"n", "best_of", "service_tier", "audio", "modalities", "web_search_options", "tools", "functions", "store", "user"}

// question is the child's, with the job's model and bounds.
func (p *Proxy) question(raw []byte) ([]byte, usage, error) {
	var q map[string]json.RawMessage
	if err := json.Unmarshal(raw, &q); err != nil || q["messages"] == nil {
		return nil, usage{}, &problem{http.StatusBadRequest, "invalid", "the body is no chat completion request: a JSON object with messages"}
	}
	if stream := string(q["stream"]); stream == "true" {
		return nil, usage{}, &problem{http.StatusBadRequest, "invalid", "stream is not served here"}
	}
	output := MaxOutput
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		var asked int
		if json.Unmarshal(q[name], &asked) == nil && asked > 0 {
			output = min(output, asked)
		}
		delete(q, name)
	}
	for _, name := range dropped {
		delete(q, name)
	}
	q["model"], _ = json.Marshal(p.Model)
	q["max_completion_tokens"], _ = json.Marshal(output)
	body, err := json.Marshal(q)
	return body, usage{Input: int64(len(body)/bytesToken) + 1, Output: int64(output)}, err
}

// ask asks until there is an answer, none will come, or no other try may be paid for.
func (p *Proxy) ask(ctx context.Context, question []byte, most usage) (answer []byte, err error) {
	for try := range tries {
		var wait time.Duration
		answer, wait, err = p.paid(ctx, question, most)
		if err == nil || wait < 0 {
			return answer, err
		}
		if wait == 0 {
			wait = policy.Delay(try)
		}
		if until, ok := ctx.Deadline(); ok && p.Now().Add(wait).After(until) {
			return nil, &problem{http.StatusBadGateway, "busy", fmt.Sprintf("%v; it wants to be left alone for %s, which is longer than a question waits", err, wait.Round(time.Second))}
		}
		if try == tries-1 || backoff.Wait(ctx, wait) != nil {
			break
		}
	}
	return nil, err
}

// paid asks once, if the budget has room for it. What the server may charge for counts
// whoever is left to read the answer: a client that hangs up makes nothing cheaper.
func (p *Proxy) paid(ctx context.Context, question []byte, most usage) (answer []byte, wait time.Duration, err error) {
	reserved, err := p.budget.reserve(most)
	if err != nil {
		return nil, -1, &problem{http.StatusForbidden, "budget_exceeded", err.Error()} // of a 429 a client would try again
	}
	answer, took, wait, err := p.once(ctx, question)
	told, _ := errors.AsType[*problem](err)
	if took == (usage{}) && (err == nil || told != nil && told.code == lost) {
		took = most // of a server that does not count, or whose count did not arrive
	}
	p.budget.settle(reserved, took)
	return answer, wait, err
}

// once asks once. wait is how long the server wants to be left alone, 0 when it does
// not say, and negative when another try is no use.
func (p *Proxy) once(ctx context.Context, question []byte) (answer []byte, took usage, wait time.Duration, err error) {
	var connected atomic.Bool // from then on the server may have the question, and answer it
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.BaseURL+"/chat/completions", bytes.NewReader(question))
	if err != nil {
		return nil, usage{}, -1, err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.Key != "" {
		req.Header.Set("Authorization", "Bearer "+p.Key)
	}
	res, err := p.Client.Do(req)
	switch {
	case err != nil && connected.Load():
		return nil, usage{}, 0, &problem{http.StatusBadGateway, lost, "the language model's server was asked and has not answered: " + err.Error()}
	case err != nil:
		return nil, usage{}, 0, &problem{http.StatusBadGateway, "unavailable", "the language model's server cannot be reached: " + err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	return p.read(res)
}

// read is what came back, as once has it.
func (p *Proxy) read(res *http.Response) (answer []byte, took usage, wait time.Duration, err error) {
	answer, err = io.ReadAll(io.LimitReader(res.Body, MaxBody))
	if res.StatusCode == http.StatusOK {
		var said struct {
			Usage usage `json:"usage"`
		}
		switch {
		case err != nil:
			return nil, usage{}, -1, &problem{http.StatusBadGateway, lost, "the language model's answer broke off: " + err.Error()}
		case !json.Valid(answer):
			return nil, usage{}, -1, &problem{http.StatusBadGateway, lost, "the language model's answer is no JSON"}
		case json.Unmarshal(answer, &said) != nil:
			said.Usage = usage{} // counted in another way than OpenAI's, so not at all
		}
		// A server, or a model behind it, may repeat what it was sent: the results and the child are not to have the key.
		return p.secrets.JSON(answer), said.Usage.believed(), 0, nil
	}
	code := "refused"
	if res.StatusCode >= http.StatusInternalServerError { // maybe after the work
		code = lost
	}
	wait = -1
	if code == lost || res.StatusCode == http.StatusTooManyRequests {
		wait, _ = backoff.RetryAfter(res.Header, p.Now(), longest)
	}
	// Its text may quote the key's beginning, so it stays here.
	return nil, usage{}, wait, &problem{http.StatusBadGateway, code, fmt.Sprintf("the language model's server answers %s; check OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL", res.Status)}
}

func (p *Proxy) known(key [sha256.Size]byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cached[key]
}

func (p *Proxy) keep(key [sha256.Size]byte, answer []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cached) < maxCached {
		p.cached[key] = answer
	}
}
