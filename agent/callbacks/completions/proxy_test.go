package completions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// server is OpenAI's side: the statuses in order, then answers.
type server struct {
	statuses []int
	answer   string // in place of a good one
	seen     []*http.Request
	bodies   []string
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.seen, s.bodies = append(s.seen, req), append(s.bodies, string(body))
	w := httptest.NewRecorder()
	if len(s.statuses) > 0 {
		status := s.statuses[0]
		s.statuses = s.statuses[1:]
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		return w.Result(), nil
	}
	if s.answer != "" {
		_, _ = w.WriteString(s.answer)
		return w.Result(), nil
	}
	_, _ = w.WriteString(`{"choices": [{"message": {"content": "{}"}}], "usage": {"prompt_tokens": 300, "completion_tokens": 100}}`)
	return w.Result(), nil
}

func (s *server) proxy(limits Limits) *Proxy {
	return New(Options{
		BaseURL: "https://llm.example.com/v1", Key: "sk-real", Model: "gpt-4o-mini", Limits: limits, Client: &http.Client{Transport: s},
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
}

var ample = Limits{Calls: 10, Tokens: 100_000, Cost: 1, InputPrice: 0.15, OutputPrice: 0.6}

func ask(p *Proxy, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
	return w
}

const hello = `{"model": "the-most-expensive", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 100000, "n": 50, "service_tier": "priority", "web_search_options": {}}`

func TestTheAgentAsksWithItsKeyItsModelAndItsBounds(t *testing.T) {
	s := &server{}
	p := s.proxy(ample)
	if w := ask(p, hello); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "sk-real") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(s.bodies[0]), &sent); err != nil || sent["model"] != "gpt-4o-mini" || sent["max_completion_tokens"] != 1000.0 || sent["n"] != nil || sent["max_tokens"] != nil || sent["service_tier"] != nil || sent["web_search_options"] != nil {
		t.Errorf("sent %v", sent)
	}
	if got := s.seen[0]; got.Header.Get("Authorization") != "Bearer sk-real" || got.URL.String() != "https://llm.example.com/v1/chat/completions" {
		t.Errorf("%s %v", got.URL, got.Header)
	}
	if got := p.Spent(); got != (Spent{1, 400, (300*0.15 + 100*0.6) / 1e6}) {
		t.Errorf("spent %+v", got)
	}
	if ask(p, hello); len(s.seen) != 1 {
		t.Error("an equal question was asked again")
	}
}

func TestAServerThatIsBusyIsAskedAgainWhenItSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{statuses: []int{429, 503}}
		began := time.Now()
		if w := ask(s.proxy(ample), hello); w.Code != http.StatusOK || len(s.seen) != 3 || time.Since(began) != 14*time.Second {
			t.Errorf("%d after %d tries and %s", w.Code, len(s.seen), time.Since(began))
		}
	})
}

func TestWhatWillNotHelpIsNotTriedAgain(t *testing.T) {
	s := &server{statuses: []int{401}}
	p := s.proxy(ample)
	if w := ask(p, hello); w.Code != http.StatusBadGateway || len(s.seen) != 1 || !strings.Contains(w.Body.String(), "check OPENAI_API_KEY") {
		t.Errorf("%d %s after %d tries", w.Code, w.Body, len(s.seen))
	}
	if got := p.Spent(); got != (Spent{}) {
		t.Errorf("a refused call cost %+v", got)
	}
}

func TestTheBudgetHolds(t *testing.T) {
	for variable, limits := range map[string]Limits{
		"AGENT_LLM_MAX_CALLS":  {Calls: 1, Tokens: 100_000, Cost: 1},
		"AGENT_LLM_MAX_TOKENS": {Calls: 9, Tokens: 1300, Cost: 1},
		"AGENT_LLM_MAX_COST":   {Calls: 9, Tokens: 100_000, Cost: 0.00052, OutputPrice: 0.5},
	} {
		s := &server{}
		p := s.proxy(limits)
		first := ask(p, hello)
		w := ask(p, strings.Replace(hello, "hello", "something else", 1))
		if first.Code != http.StatusOK || w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), variable) || len(s.seen) != 1 {
			t.Errorf("%s: %d, then %d %s", variable, first.Code, w.Code, w.Body)
		}
	}
}

// An answer that broke off was paid for as one that did not.
func TestAnAnswerOfNoUseCounts(t *testing.T) {
	for _, answer := range []string{"<html>", `{"usage": {"prompt_tokens": -9000, "completion_tokens": 1}}`, `{"usage": {"prompt_tokens": 9223372036854775807, "completion_tokens": 1}}`} {
		s := &server{answer: answer}
		p := s.proxy(Limits{Calls: 2, Tokens: 100_000, Cost: 1})
		for i, want := range []bool{true, true, false} {
			ask(p, strings.Replace(hello, "hello", fmt.Sprint(i), 1))
			if asked := len(s.seen) > i; asked != want {
				t.Errorf("%s: question %d was asked: %v", answer, i, asked)
			}
		}
		if got := p.Spent(); got.Calls != 2 || got.Tokens < 2*MaxOutput || got.Tokens > 4*MaxOutput {
			t.Errorf("%s: spent %+v", answer, got)
		}
	}
}

// hangUp asks a question and hangs up as soon as the server has it.
func hangUp(p *Proxy, question string, asked <-chan struct{}) *httptest.ResponseRecorder {
	ctx, hang := context.WithCancel(context.Background())
	defer hang()
	go func() {
		select {
		case <-asked:
			hang()
		case <-ctx.Done():
		}
	}()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(question)))
	return w
}

// The server answers, and charges for, what nobody waits for.
func TestAClientThatHangsUpSpendsItsBudgetToo(t *testing.T) {
	for variable, limits := range map[string]Limits{
		"AGENT_LLM_MAX_CALLS":  {Calls: 3, Tokens: 100_000, Cost: 1},
		"AGENT_LLM_MAX_TOKENS": {Calls: 99, Tokens: 3500, Cost: 1},
		"AGENT_LLM_MAX_COST":   {Calls: 99, Tokens: 100_000, Cost: 0.00152, OutputPrice: 0.5},
	} {
		var requests atomic.Int32
		asked := make(chan struct{}, 10)
		upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			requests.Add(1)
			asked <- struct{}{}
			<-r.Context().Done()
		}))
		p := (&server{}).proxy(limits)
		p.BaseURL, p.Client = upstream.URL, upstream.Client()
		var last *httptest.ResponseRecorder
		for i := range 8 {
			last = hangUp(p, strings.Replace(hello, "hello", fmt.Sprint(i), 1), asked)
		}
		upstream.Close()
		if n := requests.Load(); n != 3 || last.Code != http.StatusForbidden || !strings.Contains(last.Body.String(), variable) {
			t.Errorf("%s: %d requests, then %d %s", variable, n, last.Code, last.Body)
		}
		if got := p.Spent(); got.Calls != 3 || got.Tokens < 3*MaxOutput {
			t.Errorf("%s: spent %+v", variable, got)
		}
	}
}

// A server that breaks may have done the work before, a busy one has refused it.
func TestATryThatMayBeChargedCounts(t *testing.T) {
	for status, want := range map[int]int{http.StatusBadGateway: 2, http.StatusTooManyRequests: tries} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{statuses: []int{status, status, status, status, status}}
			p := s.proxy(Limits{Calls: 2, Tokens: 100_000, Cost: 1})
			w := ask(p, hello)
			if refused := strings.Contains(w.Body.String(), "AGENT_LLM_MAX_CALLS"); len(s.seen) != want || refused != (want == 2) {
				t.Errorf("%d: %d tries, then %s", status, len(s.seen), w.Body)
			}
			if got := p.Spent().Calls; got != want%tries {
				t.Errorf("%d: %d calls are spent", status, got)
			}
		})
	}
}

func TestAServerThatIsNotThereCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		p := (&server{}).proxy(Limits{Calls: 1, Tokens: 100_000, Cost: 1})
		p.Client = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, errors.New("connection refused")
		}}}
		if w := ask(p, hello); w.Code != http.StatusBadGateway || dials != tries || p.Spent() != (Spent{}) {
			t.Errorf("%d %s after %d tries, spent %+v", w.Code, w.Body, dials, p.Spent())
		}
	})
}

// Whoever repeats the question's header in an answer would have the key in the results.
func TestAKeyThatTheServerRepeatsStaysWithTheAgent(t *testing.T) {
	for _, answer := range []string{`{"choices": [{"message": {"content": "{\"summary\": \"Bearer sk-real\"}"}}]}`, `{"a": "\u0073k-real", "sk-real": 1}`, `{"a": "c2stcmVhbA=="}`} {
		s := &server{answer: answer}
		w := ask(s.proxy(ample), hello)
		var read map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &read); err != nil || w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "***") || strings.Contains(fmt.Sprint(read), "sk-real") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// A question that cannot be answered in time is given up at once: a job would wait two minutes for each of three.
func TestAServerThatWantsToBeLeftAloneForLongIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := (&server{}).proxy(ample)
		asked := 0
		p.Client = &http.Client{Transport: roundTrip(func() *http.Response {
			asked++
			return &http.Response{StatusCode: http.StatusTooManyRequests, Status: "429 Too Many Requests", Header: http.Header{"Retry-After": {"3600"}}, Body: http.NoBody}
		})}
		began := time.Now()
		if w := ask(p, hello); w.Code != http.StatusBadGateway || asked != 1 || time.Since(began) != 0 || !strings.Contains(w.Body.String(), "1h0m0s") {
			t.Errorf("%d %s after %d tries and %s", w.Code, w.Body, asked, time.Since(began))
		}
	})
}

type roundTrip func() *http.Response

func (f roundTrip) RoundTrip(*http.Request) (*http.Response, error) { return f(), nil }

// Some servers count in fractions, or in words: that is no reason to throw the answer away.
func TestAnAnswerThatCountsOtherwiseIsOneAndCostsTheMost(t *testing.T) {
	s := &server{answer: `{"choices": [], "usage": {"prompt_tokens": 0.5, "completion_tokens": "few"}}`}
	p := s.proxy(ample)
	if w := ask(p, hello); w.Code != http.StatusOK || p.Spent().Calls != 1 || p.Spent().Tokens < MaxOutput {
		t.Errorf("%d %s, spent %+v", w.Code, w.Body, p.Spent())
	}
}

func TestWhatIsNoQuestionIsRefused(t *testing.T) {
	for _, body := range []string{"", "[]", `{"messages": null, "stream": true}`, `{"messages": [], "stream": true}`, `{"messages": "` + strings.Repeat("x", MaxBody) + `"}`} {
		s := &server{}
		if w := ask(s.proxy(ample), body); w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge || len(s.seen) > 0 {
			t.Errorf("%.40s: %d", body, w.Code)
		}
	}
}

func FuzzQuestion(f *testing.F) {
	f.Add([]byte(hello))
	f.Add([]byte(`{"messages": [], "max_tokens": -1}`))
	p := (&server{}).proxy(ample)
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, most, err := p.question(raw)
		if err == nil && (!json.Valid(body) || most.Output > MaxOutput || most.Output < 1) {
			t.Errorf("%s %+v", body, most)
		}
	})
}
